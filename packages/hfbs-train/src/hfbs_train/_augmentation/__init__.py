"""Changes at random to stems, by draws that depend on the item alone."""
