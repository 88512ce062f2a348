"""Forward simulation: crystal, beam, rays, detector."""
