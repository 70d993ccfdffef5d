"""Text classifiers of PyTorch and Transformers: logits, gradients and a few steps of AdamW. Needs torch, transformers and
safetensors: python make_classifier_goldens.py writes the directories beside it."""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification

HERE = pathlib.Path(__file__).parent
LENGTHS = [5, 1, 9, 7]
STEPS, RATE, DECAY = 4, 1e-2, 0.1
VOCABULARY = 40


class LstmClassifier(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        outputs = 1 if c["num_labels"] == 2 else c["num_labels"]
        self.embedding = torch.nn.Embedding(c["vocab_size"], c["embedding_size"])
        self.lstm = torch.nn.LSTM(c["embedding_size"], c["hidden_size"], batch_first=True)
        self.dense = torch.nn.Linear(c["hidden_size"], c["dense_size"])
        self.classifier = torch.nn.Linear(c["dense_size"], outputs)
        self.act = {"gelu": torch.nn.functional.gelu, "relu": torch.relu, "tanh": torch.tanh}[c["hidden_act"]]
        self.mean = c["pooling"] == "mean"

    def forward(self, texts):
        pooled = []
        for ids in texts:  # one at a time: nothing is padded
            states = self.lstm(self.embedding(ids)[None])[0][0]
            pooled.append(states.mean(0) if self.mean else states[-1])
        return self.classifier(self.act(self.dense(torch.stack(pooled))))


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, texts):
        return torch.cat([self.model(input_ids=ids[None]).logits for ids in texts])


def loss_of(logits, labels):
    if logits.shape[1] == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    return torch.nn.functional.cross_entropy(logits, labels)


def decays(name, p):
    return p.dim() > 1 and "embed" not in name


def write(directory, model, named, classes):
    """`named`: parameters by the names of the checkpoint."""
    directory.mkdir(exist_ok=True)
    texts = [torch.randint(1, VOCABULARY, (n,)) for n in LENGTHS]  # 0 pads: BERT gives it no gradient
    labels = torch.arange(len(LENGTHS)) % classes
    tensors = {f"ids.{i}": ids.int() for i, ids in enumerate(texts)} | {"labels": labels.int()}
    logits = model(texts)
    loss = loss_of(logits, labels)
    loss.backward()
    tensors |= {"logits": logits.detach(), "loss": loss.detach().double().reshape(1)}
    tensors |= {"d." + name: p.grad.clone() for name, p in named if p.grad is not None}
    groups = [{"params": [p for n, p in named if decays(n, p)], "weight_decay": DECAY},
              {"params": [p for n, p in named if not decays(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, eps=1e-8)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model(texts), labels)
        losses.append(loss.detach().double())
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        optimizer.step()
    tensors |= {"losses": torch.stack(losses)}
    tensors |= {"w." + name: p.detach().clone() for name, p in named}
    save_file({k: v.contiguous() for k, v in tensors.items()}, directory / "golden.safetensors")


def lstm(name, **keys):
    c = {"model_type": "octet_lstm_classifier", "architectures": ["OctetLstmClassifier"], "vocab_size": VOCABULARY,
         "embedding_size": 12, "hidden_size": 8, "dense_size": 6, "max_position_embeddings": 16} | keys
    model = LstmClassifier(c)
    directory = HERE / name
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps(c, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, directory / "model.safetensors")
    write(directory, model, list(model.named_parameters()), c["num_labels"])


def bert(name, **keys):
    config = BertConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=24, max_position_embeddings=16, hidden_dropout_prob=0.0,
                        attention_probs_dropout_prob=0.0, initializer_range=0.3, **keys)
    model = BertForSequenceClassification(config).eval()
    for n, p in model.named_parameters():  # zeros would hide what is forgotten
        if n.endswith("bias"):
            torch.nn.init.normal_(p, std=0.2)
    model.save_pretrained(HERE / name)
    write(HERE / name, Encoder(model), list(model.named_parameters()), config.num_labels)


torch.manual_seed(3)
torch.use_deterministic_algorithms(True)
lstm("lstm_gelu", num_labels=2, hidden_act="gelu", pooling="last")
lstm("lstm_tanh_mean", num_labels=3, hidden_act="tanh", pooling="mean")
lstm("lstm_relu", num_labels=2, hidden_act="relu", pooling="last")
bert("bert", num_labels=3)
bert("bert_relu", num_labels=2, hidden_act="relu", id2label={0: "negative", 1: "positive"},
     label2id={"negative": 0, "positive": 1})
