#!/bin/sh
# Starts n8n as the official image does.
if [ $# -gt 0 ]; then exec n8n "$@"; else exec n8n; fi
