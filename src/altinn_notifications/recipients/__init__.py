"""Who is reached and at which address: look-up, cleaning, reservation, choice of channel, keywords."""
