#!/usr/bin/env python3
"""Writes the folders of fuzz/corpus: small valid and nearly valid files to start from.

  python3 fuzz/make_seeds.py
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "tests" / "golden" / "files"


def put(folder, name, data):
    directory = HERE / "corpus" / folder
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(data)


def safetensors():
    for file in GOLDEN.glob("*.safetensors"):
        put("safetensors", file.stem, b"\0" + file.read_bytes())
    headers = {
        "two": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I8","shape":[1,2],"data_offsets":[8,10]}}',
        "metadata": '{"__metadata__":{"format":"pt"},"t":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}}',
        "empty": '{"e":{"dtype":"BF16","shape":[0,9223372036854775807],"data_offsets":[0,0]}}',
        "overlap": '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
        "large": '{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,18446744073709551615]}}',
    }
    for name, header in headers.items():
        put("safetensors", name, b"\1" + header.encode() + b"0123456789")


def config():
    for file in sorted((GOLDEN / "config").glob("*.json")):
        text = json.dumps(json.loads(file.read_text()), separators=(",", ":"))
        put("config", file.stem, text.encode())
    args = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": "128x128", "actorder": "weight",
            "format_element": "e5m2", "group_size": -1, "scale_dtype": "torch.uint8", "zp_dtype": "torch.int8"}
    groups = {"a": {"targets": ["re:.*[0-9]+\\.(q|k)_proj$", "lm_head"], "weights": args, "format": "naive-quantized"},
              "b": {"targets": ["Linear"], "weights": {"strategy": "channel"}, "input_activations": {"dynamic": True}}}
    for name, text in {
        "native": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128], "activation_scheme": "dynamic",
                   "modules_to_not_convert": ["lm_head", "a.b"], "scale_fmt": "ue8m0"},
        "native_tensor": {"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["a"]},
        "octet": {"quant_method": "octet", "format": "mixed-precision", "config_groups": groups, "ignore": ["re:a|b"]},
        "other": {"quant_method": "gptq", "bits": 4},
    }.items():
        put("config", name, json.dumps({"quantization_config": text}, separators=(",", ":")).encode())
    decoder = {"architectures": ["Qwen2ForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
               "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 96, "eos_token_id": [2, 3],
               "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "bos_token_id": 1,
               "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    ropes = {"llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 32},
             "yarn": {"type": "yarn", "factor": 4.0, "mscale": 1.0, "mscale_all_dim": 0.5, "truncate": False},
             "dynamic": {"rope_type": "dynamic", "factor": 2, "partial_rotary_factor": 0.5}}
    for name, rope in ropes.items():
        put("config", "decoder_" + name, json.dumps({**decoder, "rope_scaling": rope}, separators=(",", ":")).encode())


def tokenizer():
    """One of each kind of step and model, with a vocabulary of a few dozen tokens."""
    for file in sorted((GOLDEN.parent / "text").glob("*.json")):
        for case in json.loads(file.read_text()):
            if "tokenizer" not in case:  # patterns and normal forms alone
                continue
            text = case["tokenizer"]
            model = text["model"]
            if isinstance(model["vocab"], dict):
                model["vocab"] = {token: id for token, id in model["vocab"].items() if id < 40}
                kept = model["vocab"]
                pairs = [m if isinstance(m, list) else m.split(" ") for m in model.get("merges", [])]
                if "merges" in model:
                    model["merges"] = [[a, b] for a, b in pairs if a in kept and b in kept and a + b in kept]
            else:
                model["vocab"] = model["vocab"][:40]
            data = json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode()
            if len(data) < 4000:
                name = "".join(c if c.isalnum() else "_" for c in f"{file.stem}_{case['name']}")
                put("tokenizer", name, data)


def recipe():
    """One of each modifier, and of each form that recipes have."""
    group = ("{targets: [Linear, 're:.*[0-9]+.mlp'], weights: {num_bits: 8, type: float, symmetric: true, strategy: block, "
             "block_structure: [128, 128]}, input_activations: {num_bits: 8, type: float, strategy: group, group_size: 128, "
             "dynamic: true}}")
    for name, text in {
        "stages": "quant_stage:\n  quant_modifiers:\n    SmoothQuantModifier:\n      smoothing_strength: 0.8\n      mappings: "
                  "[[[\"re:.*q_proj\", \"re:.*k_proj\", \"re:.*v_proj\"], \"re:.*input_layernorm\"]]\n    GPTQModifier:\n"
                  "      dampening_frac: 0.02\n      actorder: static\n      scheme: {W8A8: [Linear]}\n      ignore: [lm_head]\n",
        "groups": f"QuantizationModifier:\n  ignore: ['re:.*down_proj']\n  kv_cache_scheme: {{num_bits: 8, type: float, "
                  f"strategy: tensor, dynamic: false, symmetric: true}}\n  config_groups:\n    g: {group}\n",
        "list": "- AWQModifier: {scheme: W8A16, ignore: [lm_head], duo_scaling: both}\n- BiasCorrectionModifier: {}\n",
        "rotation": "SpinQuantModifier: {rotations: [R1, R2], transform_type: hadamard}\nAdaRoundModifier: {scheme: FP8, "
                    "targets: Linear, ignore: []}\n",
        "alias": "a: &x {scheme: INT8}\nQuantizationModifier: *x\n",
    }.items():
        put("recipe", name, text.encode())


def calibration():
    put("calibration", "lines", '{"text": "Call me Ishmael."}\n\n{"text": "caf\u00e9 \\u0041", "id": 1}\n'.encode())
    put("calibration", "chat", b'{"messages": [{"role": "user", "content": "Hello"}]}\n')
    put("calibration", "plain", "Some years ago\r\n\u2014never mind how long.\n".encode())


if __name__ == "__main__":
    safetensors()
    config()
    tokenizer()
    recipe()
    calibration()
