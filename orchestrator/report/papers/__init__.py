"""Papers that go with a run: a notice for people, a draft of an impact assessment, the REFORMS checklist."""
