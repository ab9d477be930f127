"""The demonstration behind `python -m langchain_bedrock_cache demo`.

General layout, each module importing only from those above it:

* `clock.py`, `stage.py`: simulated time; an emulator, or Amazon Bedrock, to send calls to
* `ways.py`: the ways of caching that are compared, each a chat model
* `documents.py`, `tools.py`, `recorder.py`: texts, tools to look things up in them, what was used
* `rag.py`, `agent.py`: a RAG chain and an agent, as one writes them without a thought of caching
* `script.py`: what the emulated model says
* `comparison.py`, `tables.py`, `remarks.py`: every workload in every way, and what is printed
* `cli.py`: the command
"""
