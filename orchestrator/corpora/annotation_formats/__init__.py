"""What programs for annotating videos write: ELAN, DARMA, CARMA, NOVA, and tables of both dimensions and all raters."""
