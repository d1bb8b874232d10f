"""Labels of AI-generated pictures: metadata in PNG, JPEG and WebP files, without a decoder."""
