"""Due orders become notifications (spec 08, 4 to 9)."""
