"""JSON Schema validation with Crossbar's error format."""
