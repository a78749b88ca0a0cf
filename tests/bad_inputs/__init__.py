"""Bad, hostile and awkward inputs to every endpoint, over real HTTP or the real command line.

One table for each endpoint; each row has its id, `@pytest.mark.rule("B-nn")`, and test_ids.py lists rows without a
test. A test uses the fixture `row`, which checks at the end that nothing broke or leaked and that the next reporter is
served.
"""
