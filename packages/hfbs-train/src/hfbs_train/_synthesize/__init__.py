"""Songs that the project renders itself, with their stems: composed, played, sung and mixed, all by random draws."""
