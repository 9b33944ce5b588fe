"""The power cap, its governors, power traces and temperature."""
