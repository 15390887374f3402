"""The control plane: what people and programs ask about the traffic."""
