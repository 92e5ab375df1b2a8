#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own HTTP server, from the package xllamacpp, with the model of tiny.py: one that chats,
and one that embeds. The first line printed is their ports; it ends with its standard input."""

import os
import pathlib
import sys
import urllib.parse

import tiny
import xllamacpp

SLOTS = 4


def server(path, embeds):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {"tiny"}
    params.n_ctx, params.n_parallel = tiny.CONTEXT, SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = SLOTS + 2
    if embeds:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.endpoint_slots = True
    params.warmup = False
    return xllamacpp.Server(params)


def main(folder):
    path = pathlib.Path(folder) / "tiny.gguf"
    tiny.write(path)
    servers = [server(path, embeds) for embeds in (False, True)]
    print(*(urllib.parse.urlsplit(s.listening_address).port for s in servers), flush=True)
    sys.stdin.read()
    os._exit(0)  # neither waits for calls that are under way


if __name__ == "__main__":
    main(sys.argv[1])
