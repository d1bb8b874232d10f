"""COS: buckets and objects over the XML API, by virtual host or by path."""
