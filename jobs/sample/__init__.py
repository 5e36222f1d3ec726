"""The sample: a synthetic music service in real data formats, with a known ground truth (`pmrs sample`)."""
