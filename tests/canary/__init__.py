"""The canary run: planted words, numbers and secrets go through a whole installation, and are then looked for.

planted.py   what is planted, and the ways in which a program might write it down
drive.py     what people do: whole reports by each channel
faults.py    what is broken while they do it, without a word in any environment
attacker.py  what somebody does who can write where we read
places.py    where nothing of it may stand
"""
