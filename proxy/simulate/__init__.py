"""`driftium simulate`: a load of recorded real answers, to see what a deployment carries before it has to."""
