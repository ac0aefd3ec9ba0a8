"""Whether a version may go out: facts about it, rules that compare them, and the verdict."""
