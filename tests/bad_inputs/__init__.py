"""Bad, hostile and awkward inputs to every endpoint, over real HTTP or the real command line.

One table for each door; each row carries its id, `@pytest.mark.rule("B-nn")`, and test_ids.py knows which still wait.
A row takes the fixture `row`: its end checks that nothing broke, nothing leaked and the next caller is served.
"""
