"""Labels of AI-generated images: metadata in PNG, JPEG and WebP files, without a decoder."""
