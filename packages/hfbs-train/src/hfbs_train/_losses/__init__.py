"""What training minimises: criteria, combined with weights."""
