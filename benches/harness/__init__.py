"""The harness of the lab: starts servers and the load generator, repeats, compares with the targets, prints the table."""
