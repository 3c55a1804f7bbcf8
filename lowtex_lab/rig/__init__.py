"""A stereo rig of one's own, checked: matching, rules, words."""
