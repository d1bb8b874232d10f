"""OpenAI's Images API as an adapter: it reads other bodies, and submits the same tasks."""
