"""The main job around the models: where its data comes from, and what people see of it."""
