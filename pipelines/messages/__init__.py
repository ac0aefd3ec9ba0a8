"""What people and monitors are told of nights: one message a condition, a heartbeat, figures."""
