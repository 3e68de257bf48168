"""The library as a course: what each function must fulfil, and the mistakes that people make."""
