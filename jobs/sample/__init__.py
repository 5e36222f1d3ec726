"""The sample: a made-up music service in the field's real formats, with a known truth (`pmrs sample`)."""
