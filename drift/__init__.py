"""The science of Driftium: pure functions and state machines, no HTTP, no database, no clock."""

import os

# onnxruntime 1.29 and newer report processes and models to their maker unless this is set before they are first used,
# be it by us or by what we import: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
