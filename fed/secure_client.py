"""What a client does in a round of secure sums, in the process that holds its data (docs/federation.md).

Its keys live in this process alone: one that was started anew in the middle of a round has none and leaves the round.
"""

import re

from fed.client import Site
from fed.messages import REFUSED, RESTARTED, Call, Failure, Job, Value
from fed.secure_sums.client import SumClient
from fed.secure_sums.exchange import Masked, ProtocolError, Question
from fed.secure_sums.identities import read_identities
from fed.secure_sums.ring import OutOfBound
from fed.secure_vector import Form, Places, encoded, model_digest
from fed.updates import admit, trained_places


def answer(site: Site, call: Call, job: Job) -> Value | Failure:
    """Answer a client's question of a stage; ProtocolError for one that the protocol does not allow."""
    question, place = call.questions[job.fold, job.client], (job.fold, job.client)
    terms = question.terms
    if (terms.number, terms.fold) != (call.number, job.fold):
        raise ProtocolError(f"terms of round {terms.number}, fold {terms.fold}: not those of the call")
    client = site.sums.get(place)
    if call.kind == "keys":
        if client is not None and client.terms.number >= terms.number:
            # Trained again it sends the same update: the difference of two sums could be one client's.
            raise ProtocolError(f"asked for keys of round {terms.number} after those of round {client.terms.number}")
        folder = site.plan.identities
        identities = None if folder is None else read_identities(folder, terms.roster, job.client)
        site.sums[place] = SumClient(terms, job.client, identities=identities)
        return site.sums[place].keys()
    if client is None:
        return Failure.of(job, RESTARTED, "restarted in mid-round: its keys are gone, it is back in the next round")
    if client.terms.address != terms.address:
        raise ProtocolError("asked about another sum than the one it sent keys for")
    if call.kind == "shares":
        return client.shares(question.keys)
    if call.kind == "masked":
        return _trained_and_masked(site, call, job, client, question)
    if call.kind == "receipts":
        return client.receipt(question.names)
    return client.unmask(question.names, question.receipts)


def _trained_and_masked(site: Site, call: Call, job: Job, client: SumClient, question: Question) -> Masked | Failure:
    """Train, pass the gate here, and mask; figures that the gate found stay here."""
    assert call.weights is not None, "a client trains from weights it was sent"
    assert call.integers is not None, "a client trains from weights it was sent"
    weights, integers = call.weights[job.row], call.integers[job.row]
    model, layout = site.network(job.client)
    places = Places.of(trained_places(model, layout), layout.num_floats)
    roster, most = question.terms.roster, question.max_weight
    form = Form.of(places, site.plan.federation, len(roster), most)
    if question.terms.parts != form.parts:
        raise ProtocolError("the terms have other rings than this client's own arithmetic gives")
    client.receive(question.sealed, question.names)  # a refusal comes before any training
    update = site.train(job, call.number, weights, integers, None)
    refused = admit(update, job, call.number, layout, weights)
    if refused is None and update.num_samples > most:
        refused = f"counts more windows than the {most} that the sum's bound allows"
    if refused is not None:
        return Failure.of(job, REFUSED, f"by its own gate: {without_figures(refused)}")
    try:
        vector = encoded(update, weights, form)
    except OutOfBound as error:
        return Failure.of(job, REFUSED, f"{error} (--secure-bound)")
    return client.masked(vector, model_digest(weights, integers))


def without_figures(reason: str) -> str:
    """Return a reason with every number as `#`: the verdict leaves the client, what it was found by does not."""
    return re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "#", reason)
