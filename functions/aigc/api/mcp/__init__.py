"""The Model Context Protocol (MCP) as an adapter: agents submit the same tasks by tools."""
