#!/usr/bin/env python3
"""Remakes tests/golden/files: what other programs write, for Octet to read and to be compared with.

  python3 -m venv v && v/bin/pip install torch numpy safetensors==0.8.0 compressed-tensors==0.18.0 transformers
  v/bin/python tests/golden/make_files_goldens.py
"""

import json
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationConfig,
    QuantizationScheme,
    QuantizationStatus,
    preset_name_to_scheme,
)
from compressed_tensors.quantization.utils import calculate_qparams

HERE = Path(__file__).parent / "files"
DTYPES = {
    "BOOL": ("bool", 1), "U8": ("uint8", 1), "I8": ("int8", 1), "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1), "F8_E8M0": ("float8_e8m0fnu", 1), "U16": ("uint16", 2), "I16": ("int16", 2),
    "F16": ("float16", 2), "BF16": ("bfloat16", 2), "U32": ("uint32", 4), "I32": ("int32", 4), "F32": ("float32", 4),
    "U64": ("uint64", 8), "I64": ("int64", 8), "F64": ("float64", 8),
}


def plain_files():
    """Every dtype, a scalar, an empty tensor, names that need escapes; bytes count up from the tensor's number."""
    tensors, keep = {}, []

    def spec(dtype, shape, data):
        keep.append(np.frombuffer(data or b"\0", dtype=np.uint8))
        return safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=keep[-1].ctypes.data, data_len=len(data))

    shapes = [[2, 3], [], [0, 4], [5]]
    for number, (name, (dtype, size)) in enumerate(DTYPES.items()):
        shape = shapes[number % len(shapes)]
        count = size
        for extent in shape:
            count *= extent
        data = bytes((number + i) % 2 if name == "BOOL" else (number + i) % 120 for i in range(count))
        tensors[f"all.{name}"] = spec(dtype, shape, data)
    tensors['odd "name" \\ é 漢 \t\x01'] = spec("uint8", [1], b"\x07")
    (HERE / "every_dtype.safetensors").write_bytes(safetensors.serialize(tensors, {"format": "pt"}))
    (HERE / "no_tensors.safetensors").write_bytes(safetensors.serialize({}, None))
    safetensors.torch.save_file({"a": torch.arange(6, dtype=torch.float32).reshape(2, 3)}, HERE / "by_torch.safetensors")


def config_files():
    static = dict(dynamic=False, observer="static_minmax", strategy="tensor", symmetric=True)
    int8 = dict(num_bits=8, type="int")
    schemes = {name.lower(): preset_name_to_scheme(name, ["Linear"])
               for name in ("W8A8", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "MXFP8", "MXFP8A16")}
    channel = schemes["w8a8"].weights
    schemes["w8a8_static"] = QuantizationScheme(
        targets=["Linear"], weights=channel, input_activations=QuantizationArgs(**int8, **static))
    schemes["w8a8_asym"] = QuantizationScheme(
        targets=["Linear"], weights=channel,
        input_activations=QuantizationArgs(**int8, **{**static, "symmetric": False}, zp_dtype=torch.int8))
    schemes["w8a16"] = QuantizationScheme(
        targets=["Linear"], weights=QuantizationArgs(**int8, strategy="group", group_size=128))
    schemes["w8a16_channel"] = QuantizationScheme(targets=["Linear"], weights=channel)
    schemes["fp8a16"] = QuantizationScheme(targets=["Linear"], weights=schemes["fp8_dynamic"].weights)
    kv = QuantizationArgs(num_bits=8, type="float", strategy="tensor", symmetric=True, dynamic=False)
    formats = {"w8a8": "int-quantized", "w8a8_static": "int-quantized", "w8a8_asym": "int-quantized",
               "w8a16": "pack-quantized", "w8a16_channel": "pack-quantized", "fp8": "float-quantized",
               "fp8_dynamic": "float-quantized", "fp8_block": "float-quantized", "fp8a16": "naive-quantized",
               "mxfp8": "mxfp8-quantized", "mxfp8a16": "mxfp8-quantized"}
    for name, scheme in list(schemes.items()) + [("fp8_kv", schemes["fp8"])]:
        write_config(name, {"group_0": scheme}, formats.get(name, "float-quantized"), kv if name == "fp8_kv" else None)


def config_of(groups, form, kv=None):
    groups = {name: scheme.model_copy(update={"format": scheme.format or form}) for name, scheme in groups.items()}
    return QuantizationConfig(config_groups=groups, format=form, ignore=["lm_head"], kv_cache_scheme=kv,
                              quantization_status=QuantizationStatus.COMPRESSED)


def dump(config):
    """As the model compressor's update_config writes it, without scale_dtype and zp_dtype where nobody set them."""
    result = config.model_dump(exclude=["quant_method", "format"]) | {"quant_method": "compressed-tensors", "format": config.format}
    result |= {"sparsity_config": {}, "transform_config": {}, "version": "0.18.0"}
    return json.loads(json.dumps(result, default=str))


def write_config(name, groups, form, kv=None):
    (HERE / "config").mkdir(parents=True, exist_ok=True)
    text = json.dumps({"quantization_config": dump(config_of(groups, form, kv))}, indent=1, sort_keys=True)
    (HERE / "config" / f"{name}.json").write_text(text + "\n")


def quantized(weight, args):
    """Scales and zero points as compressed-tensors' observers find them."""
    n, k = weight.shape
    rows, columns = {"tensor": (n, k), "channel": (1, k), "group": (1, args.group_size or 1)}.get(
        args.strategy, args.block_structure)
    scales, zeros = [], []
    for row in range(0, n, rows):
        for column in range(0, k, columns):
            piece = weight[row:row + rows, column:column + columns]
            scale, zero = calculate_qparams(piece.min(), piece.max(), args)
            scales.append(scale.float().reshape(()))
            zeros.append(zero.reshape(()))
    shape = (1,) if args.strategy == "tensor" else (-(-n // rows), -(-k // columns))
    return torch.stack(scales).reshape(shape), torch.stack(zeros).reshape(shape)


def compressed_checkpoint():
    """One small module a layout, compressed and decompressed by compressed-tensors: its tensors and the numbers they are."""
    int8, fp8 = dict(num_bits=8, type="int"), dict(num_bits=8, type="float")
    cases = {
        "int_tensor": ("int-quantized", (6, 10), dict(int8, strategy="tensor")),
        "int_channel": ("int-quantized", (6, 10), dict(int8, strategy="channel")),
        "int_channel_asym": ("int-quantized", (6, 10), dict(int8, strategy="channel", symmetric=False)),
        "int_group": ("int-quantized", (6, 16), dict(int8, strategy="group", group_size=8)),
        "packed_channel": ("pack-quantized", (6, 10), dict(int8, strategy="channel")),
        "packed_group": ("pack-quantized", (5, 16), dict(int8, strategy="group", group_size=8)),
        "packed_channel_asym": ("pack-quantized", (6, 10), dict(int8, strategy="channel", symmetric=False)),
        "packed_group_asym": ("pack-quantized", (7, 16), dict(int8, strategy="group", group_size=4, symmetric=False)),
        "fp8_tensor": ("float-quantized", (6, 10), dict(fp8, strategy="tensor")),
        "fp8_channel": ("naive-quantized", (6, 10), dict(fp8, strategy="channel")),
        "fp8_block": ("float-quantized", (8, 24), dict(fp8, strategy="block", block_structure=[4, 8])),
        "mxfp8": ("mxfp8-quantized", (3, 64), dict(fp8, strategy="group", group_size=32, scale_dtype=torch.uint8)),
    }
    torch.manual_seed(2)
    tensors, groups = {}, {}
    for name, (form, shape, args) in cases.items():
        args = QuantizationArgs(**args)
        scheme = QuantizationScheme(targets=[name], weights=args, format=form)
        weight = torch.randn(shape) * torch.logspace(-2, 1, shape[1]) + 0.01
        scale, zero = quantized(weight, args)
        state = {"weight": weight, "weight_scale": scale}
        state["weight_zero_point"] = zero.to(torch.int8)
        compressor = BaseCompressor.get_value_from_registry(form)
        state = compressor.compress(state, scheme)
        tensors |= {f"{name}.{key}": value.contiguous() for key, value in state.items()}
        tensors[f"expected.{name}"] = compressor.decompress(state, scheme)["weight"].float().contiguous()
        groups[name] = scheme
    directory = HERE / "compressed"
    directory.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors, directory / "model.safetensors", {"format": "pt"})
    config = {"quantization_config": dump(config_of(groups, "mixed-precision"))}
    (directory / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    HERE.mkdir(parents=True, exist_ok=True)
    plain_files()
    config_files()
    compressed_checkpoint()
    for file in sorted(HERE.rglob("*")):
        print(file.relative_to(HERE), file.stat().st_size)
