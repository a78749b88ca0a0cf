"""The canary run: planted words, numbers and secrets go through a whole installation, and are then searched for.

planted.py   the planted texts, and the encodings in which a program might write them
drive.py     acts of people: whole reports by each channel
faults.py    faults during these acts, without a word in any environment
attacker.py  acts of a person who can write to places that we read
places.py    places that must not contain any planted text
"""
