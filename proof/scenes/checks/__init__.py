"""What must hold in a scene, by what it speaks of."""
