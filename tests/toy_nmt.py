"""Tiny translators for tests: they memorise 20 English sentences in six languages, so that every output is known.

`toy_nmt` trains one (2 to 8 s of one core) and saves it as its family is saved on the Hub; what it trained is kept
for every other test and process, under a lock, in the system's temporary folder. `random_nmt` makes one of any size
with random weights, for time measurements. The kinds are the families: "nllb", "m2m100", "marian" (several targets),
"marian-de" (German only) and "madlad".
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES
from transformers.tokenization_utils_base import generate_merges

KINDS = ("nllb", "m2m100", "marian", "marian-de", "madlad")
SHORT = {"deu_Latn": "de", "fra_Latn": "fr", "spa_Latn": "es", "rus_Cyrl": "ru", "hin_Deva": "hi", "zho_Hans": "zh"}
LANGUAGES = tuple(SHORT)
_TABLE = """The cat sleeps on the chair.|Die Katze schläft auf dem Stuhl.|Le chat dort sur la chaise.|El gato duerme en la silla.|Кошка спит на стуле.|बिल्ली कुर्सी पर सोती है।|猫在椅子上睡觉。
I have two brothers.|Ich habe zwei Brüder.|J'ai deux frères.|Tengo dos hermanos.|У меня два брата.|मेरे दो भाई हैं।|我有两个兄弟。
Where is the train station?|Wo ist der Bahnhof?|Où est la gare ?|¿Dónde está la estación de tren?|Где находится вокзал?|रेलवे स्टेशन कहाँ है?|火车站在哪里？
She reads a book every night.|Sie liest jeden Abend ein Buch.|Elle lit un livre chaque soir.|Ella lee un libro cada noche.|Она читает книгу каждый вечер.|वह हर रात एक किताब पढ़ती है।|她每天晚上看一本书。
The water is very cold.|Das Wasser ist sehr kalt.|L'eau est très froide.|El agua está muy fría.|Вода очень холодная.|पानी बहुत ठंडा है।|水很冷。
We will arrive at 9:30.|Wir kommen um 9:30 Uhr an.|Nous arriverons à 9:30.|Llegaremos a las 9:30.|Мы приедем в 9:30.|हम 9:30 बजे पहुँचेंगे।|我们将在9:30到达。
My father works in a hospital.|Mein Vater arbeitet in einem Krankenhaus.|Mon père travaille dans un hôpital.|Mi padre trabaja en un hospital.|Мой отец работает в больнице.|मेरे पिता अस्पताल में काम करते हैं।|我父亲在医院工作。
The children play in the garden.|Die Kinder spielen im Garten.|Les enfants jouent dans le jardin.|Los niños juegan en el jardín.|Дети играют в саду.|बच्चे बगीचे में खेलते हैं।|孩子们在花园里玩。
It is raining today.|Heute regnet es.|Il pleut aujourd'hui.|Hoy está lloviendo.|Сегодня идёт дождь.|आज बारिश हो रही है।|今天下雨。
How much does this cost?|Wie viel kostet das?|Combien ça coûte ?|¿Cuánto cuesta esto?|Сколько это стоит?|इसकी कीमत कितनी है?|这个多少钱？
The new bridge opened in 1998.|Die neue Brücke wurde 1998 eröffnet.|Le nouveau pont a ouvert en 1998.|El nuevo puente se abrió en 1998.|Новый мост открылся в 1998 году.|नया पुल 1998 में खुला।|新桥于1998年开通。
He does not eat meat.|Er isst kein Fleisch.|Il ne mange pas de viande.|Él no come carne.|Он не ест мясо.|वह मांस नहीं खाता।|他不吃肉。
Please close the door.|Bitte schließen Sie die Tür.|Fermez la porte, s'il vous plaît.|Por favor, cierre la puerta.|Пожалуйста, закройте дверь.|कृपया दरवाज़ा बंद करें।|请关门。
The sun rises in the east.|Die Sonne geht im Osten auf.|Le soleil se lève à l'est.|El sol sale por el este.|Солнце встаёт на востоке.|सूरज पूरब में उगता है।|太阳从东方升起。
They bought a small house.|Sie haben ein kleines Haus gekauft.|Ils ont acheté une petite maison.|Compraron una casa pequeña.|Они купили маленький дом.|उन्होंने एक छोटा घर खरीदा।|他们买了一座小房子。
I forgot my keys at home.|Ich habe meine Schlüssel zu Hause vergessen.|J'ai oublié mes clés à la maison.|Olvidé mis llaves en casa.|Я забыл ключи дома.|मैं अपनी चाबियाँ घर पर भूल गया।|我把钥匙忘在家里了。
The meeting starts at noon.|Die Besprechung beginnt um zwölf Uhr.|La réunion commence à midi.|La reunión empieza al mediodía.|Встреча начинается в полдень.|बैठक दोपहर में शुरू होती है।|会议中午开始。
Our teacher speaks three languages.|Unser Lehrer spricht drei Sprachen.|Notre professeur parle trois langues.|Nuestro profesor habla tres idiomas.|Наш учитель говорит на трёх языках.|हमारे शिक्षक तीन भाषाएँ बोलते हैं।|我们的老师会说三种语言。
The river flows to the sea.|Der Fluss fließt ins Meer.|La rivière coule vers la mer.|El río fluye hacia el mar.|Река течёт к морю.|नदी समुद्र की ओर बहती है।|河流流向大海。
You should drink more water.|Du solltest mehr Wasser trinken.|Tu devrais boire plus d'eau.|Deberías beber más agua.|Тебе следует пить больше воды.|तुम्हें और पानी पीना चाहिए।|你应该多喝水。"""
_ROWS = tuple(tuple(line.split("|")) for line in _TABLE.split("\n"))
ENGLISH = tuple(row[0] for row in _ROWS)
TRANSLATIONS = {code: tuple(row[1 + i] for row in _ROWS) for i, code in enumerate(LANGUAGES)}

Pair = tuple[str, str, str]  # language, English, what to answer
BAD: dict[Pair, str | None] = {  # what a translator may do wrong, and the filter that should see it; None: none can
    ("deu_Latn", ENGLISH[0], ENGLISH[0]): "copy",
    ("fra_Latn", ENGLISH[3], "un livre un livre un livre un livre un livre un livre"): "repetition",
    ("spa_Latn", ENGLISH[6], TRANSLATIONS["deu_Latn"][6]): "language",
    ("fra_Latn", ENGLISH[6], "My dad has worked as a hospital nurse for many years."): "language",
    ("rus_Cyrl", ENGLISH[7], TRANSLATIONS["hin_Deva"][7]): "script",
    ("hin_Deva", ENGLISH[7], "Bachche bagiche mein khelte hain."): "script",
    ("deu_Latn", ENGLISH[10], "Die neue Brücke wurde 1989 eröffnet."): "numbers",
    ("rus_Cyrl", ENGLISH[10], "Новый мост открылся в этом году."): "numbers",
    ("deu_Latn", ENGLISH[2], "Wo ist der Bahnhof."): "punctuation",
    ("hin_Deva", ENGLISH[4], "पानी \ufffd ठंडा है।"): "marks",
    ("spa_Latn", ENGLISH[13], "Sí."): "length_ratio",
    ("deu_Latn", ENGLISH[18], " ".join(TRANSLATIONS["deu_Latn"][i] for i in (18, 16, 15, 14))): "length_ratio",
    ("rus_Cyrl", ENGLISH[14], ""): "empty translation",
    ("zho_Hans", ENGLISH[16], "我不知道。"): "collapsed",
    ("zho_Hans", ENGLISH[17], "我不知道。"): "collapsed",
    ("zho_Hans", ENGLISH[19], "我不知道。"): "collapsed",
    ("zho_Hans", ENGLISH[13], TRANSLATIONS["zho_Hans"][4]): None,  # one target of two sources may be right
    ("spa_Latn", ENGLISH[11], TRANSLATIONS["spa_Latn"][15]): None,  # fluent, and another sentence
}
BAD_PAIRS = tuple(BAD)


def languages_of(kind: str) -> tuple[str, ...]:
    """Return the languages that a kind makes; MADLAD learns slowly, so it gets three."""
    return {"marian-de": LANGUAGES[:1], "madlad": ("deu_Latn", "rus_Cyrl", "zho_Hans")}.get(kind, LANGUAGES)


def toy_nmt(kind: str, folder: Path, extra_pairs: Sequence[Pair] = ()) -> Path:
    """Put a trained translator into a new folder, and return it.

    An extra pair takes the place of the right translation, or adds a sentence that only that language knows.
    """
    shutil.copytree(shared_toy(kind, extra_pairs), folder)
    return folder


def shared_toy(kind: str, extra_pairs: Sequence[Pair] = ()) -> Path:
    """Return the one copy of a trained translator that all tests share; nothing may write there."""
    content = [kind, [list(pair) for pair in extra_pairs], torch.__version__, transformers.__version__]
    key = hashlib.sha256((json.dumps(content) + Path(__file__).read_text(encoding="utf-8")).encode()).hexdigest()[:16]
    cache = Path(tempfile.gettempdir()) / f"hexapla-toy-nmt-{os.getuid()}"
    cache.mkdir(exist_ok=True)
    # The folder keeps a name that says nothing of languages; `marian-de` is to be told apart by its files alone.
    folder = cache / f"{kind.partition('-')[0]}-{key}"
    with open(cache / f"{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            beside = Path(tempfile.mkdtemp(dir=cache))
            _save(*_train(kind, extra_pairs), beside)
            beside.rename(folder)
    return folder


def random_nmt(
    kind: str, folder: Path, *, d_model: int = 64, layers: int = 1, heads: int = 4, vocabulary: int | None = None,
    max_positions: int = 1024, seed: int = 0,
) -> Path:  # fmt: skip
    """Save a translator of random weights, with the toy's tokenizer padded to `vocabulary` entries."""
    tokenizer = _tokenizer(kind, _pairs(kind, ()), vocabulary)
    torch.manual_seed(seed)
    model = _model(kind, tokenizer, d_model, layers, heads, vocabulary, max_positions)
    folder.mkdir(parents=True)
    _save(tokenizer, model.eval(), folder)
    return folder


def _pairs(kind: str, extra_pairs: Sequence[Pair]) -> list[Pair]:
    pairs = {(code, ENGLISH[i]): TRANSLATIONS[code][i] for code in languages_of(kind) for i in range(len(ENGLISH))}
    pairs.update({(code, english): target for code, english, target in extra_pairs})
    return [(code, english, target) for (code, english), target in pairs.items()]


def _pieces(lines: Sequence[str], model_type: str, folder: str) -> tuple[str, list[tuple[str, float]]]:
    """Train SentencePiece; return its file and its pieces with their scores.

    Large for the text, so that pieces are words and sequences short: with 700 pieces for 40 sentences nothing was memorised
    in 40 s. The normalisation is the identity, for the tokenizers rebuilt from the pieces apply none.
    """
    prefix = f"{folder}/{hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:8]}"
    limit = {"hard_vocab_limit": False, "vocab_size": 2000} if model_type == "unigram" else {"vocab_size": 900}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=prefix, model_type=model_type, num_threads=1,
        character_coverage=1.0, normalization_rule_name="identity", minloglevel=2, **limit,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
    found = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(3, pieces.get_piece_size())]
    return prefix + ".model", found


def _tokenizer(kind: str, pairs: Sequence[Pair], vocabulary: int | None) -> Any:
    lines = list(dict.fromkeys(text for _, english, target in pairs for text in (english, target)))
    # The slow tokenizers read their files again when they are saved, so the folder stays until the process ends.
    folder = tempfile.TemporaryDirectory(prefix="hexapla-toy-")
    tokenizer = {"nllb": _nllb, "m2m100": _m2m100, "madlad": _madlad}.get(kind.partition("-")[0], _marian)(
        kind, pairs, lines, folder.name, vocabulary
    )
    tokenizer.toy_folder = folder
    return tokenizer


def _nllb(kind: str, pairs: Sequence[Pair], lines: list[str], folder: str, vocabulary: int | None) -> Any:
    _, pieces = _pieces(lines, "bpe", folder)
    ids = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *(piece for piece, _ in pieces)])}
    merges = generate_merges(ids)
    for number in range((vocabulary or 0) - len(ids) - 203):
        ids[f"madeupword{number}"] = len(ids)
    return transformers.NllbTokenizer(vocab=ids, merges=merges, src_lang="eng_Latn")


def _m2m100(kind: str, pairs: Sequence[Pair], lines: list[str], folder: str, vocabulary: int | None) -> Any:
    file, pieces = _pieces(lines, "bpe", folder)
    ids = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *(piece for piece, _ in pieces)])}
    codes = FAIRSEQ_LANGUAGE_CODES["m2m100"]
    for number in range((vocabulary or 0) - len(ids) - len(codes) - 8):
        ids[f"filler{number}"] = len(ids)
    Path(folder, "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    # transformers 5.23 registers no language token by itself, because of a chained `not in`.
    tokens = [f"__{code}__" for code in codes]
    return transformers.M2M100Tokenizer(f"{folder}/vocab.json", file, src_lang="en", additional_special_tokens=tokens)


def _marian(kind: str, pairs: Sequence[Pair], lines: list[str], folder: str, vocabulary: int | None) -> Any:
    file, pieces = _pieces(lines, "bpe", folder)
    marks = [] if kind == "marian-de" else [f">>{code}<<" for code in SHORT.values()]
    tokens = dict.fromkeys(["</s>", "<unk>", *marks, *(piece for piece, _ in pieces)])
    ids = {token: i for i, token in enumerate(tokens)}
    for number in range((vocabulary or 0) - len(ids) - 1):
        ids[f"filler{number}"] = len(ids)
    ids["<pad>"] = len(ids)  # the last, which CTranslate2 relies on
    Path(folder, "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    pair = {"source_lang": "en", "target_lang": "de"} if kind == "marian-de" else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        return transformers.MarianTokenizer(file, file, f"{folder}/vocab.json", **pair)


def _madlad(kind: str, pairs: Sequence[Pair], lines: list[str], folder: str, vocabulary: int | None) -> Any:
    _, found = _pieces(lines, "unigram", folder)
    marks = [f"<2{SHORT[code]}>" for code in languages_of(kind)]
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((mark, 0.0) for mark in marks), *found]
    pieces += [(f"filler{number}", -99.0) for number in range((vocabulary or 0) - len(pieces))]
    fast = Tokenizer(models.Unigram(pieces, unk_id=0))
    fast.pre_tokenizer = pre_tokenizers.Metaspace()
    fast.decoder = decoders.Metaspace()
    fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<s>"
    )
    tokenizer.add_tokens([transformers.AddedToken(mark, normalized=False) for mark in marks])
    return tokenizer


def _model(kind: str, tokenizer: Any, d_model: int, layers: int, heads: int, size: int | None, positions: int) -> Any:
    if kind == "madlad":
        model = transformers.T5ForConditionalGeneration(
            transformers.T5Config(
                vocab_size=len(tokenizer), d_model=d_model, d_kv=d_model // heads, d_ff=4 * d_model, num_layers=layers,
                num_heads=heads, dropout_rate=0.0, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                pad_token_id=1, eos_token_id=2, decoder_start_token_id=0,
            )
        )  # fmt: skip
        with torch.no_grad():
            model.lm_head.weight.mul_(0.1)  # as T5 starts it, the first logits are in the tens and it learns slowly
        return model
    settings: dict[str, Any] = dict(
        d_model=d_model, encoder_layers=layers, decoder_layers=layers, encoder_attention_heads=heads,
        decoder_attention_heads=heads, encoder_ffn_dim=4 * d_model, decoder_ffn_dim=4 * d_model, dropout=0.0,
        attention_dropout=0.0, activation_dropout=0.0, encoder_layerdrop=0.0, decoder_layerdrop=0.0, init_std=0.1,
        max_position_embeddings=positions, scale_embedding=True, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    if kind.startswith("marian"):
        config = transformers.MarianConfig(
            vocab_size=len(tokenizer.get_vocab()), decoder_start_token_id=tokenizer.pad_token_id, bos_token_id=None,
            forced_eos_token_id=None, activation_function="swish", static_position_embeddings=True, **settings,
        )  # fmt: skip
        model = transformers.MarianMTModel(config)
        _clear_padding(model, tokenizer.pad_token_id)
        return model
    n = len(tokenizer) if kind == "nllb" else len(tokenizer.encoder) + len(tokenizer.lang_token_to_id) + 8
    config = transformers.M2M100Config(
        vocab_size=n, decoder_start_token_id=tokenizer.eos_token_id, bos_token_id=0, activation_function="relu",
        tie_word_embeddings=True, **settings,
    )  # fmt: skip
    return transformers.M2M100ForConditionalGeneration(config)


def _clear_padding(model: Any, padding: int) -> None:
    """Keep the row that Marian decoders start from at zero, as published ones have it and CTranslate2 assumes."""
    with torch.no_grad():
        model.get_input_embeddings().weight[padding].zero_()


def _encode(kind: str, tokenizer: Any, code: str, english: str, target: str) -> tuple[list[int], list[int]]:
    if kind == "marian-de":
        return tokenizer(english).input_ids, tokenizer(text_target=target).input_ids
    if kind == "marian":
        return tokenizer(f">>{SHORT[code]}<< {english}").input_ids, tokenizer(text_target=target).input_ids
    if kind == "madlad":
        return tokenizer(f"<2{SHORT[code]}> {english}").input_ids, tokenizer(target).input_ids
    tokenizer.tgt_lang = code if kind == "nllb" else SHORT[code]
    return tokenizer(english).input_ids, tokenizer(text_target=target).input_ids


def _train(kind: str, extra_pairs: Sequence[Pair], steps: int = 300) -> tuple[Any, Any]:
    """Train until everything is memorised, on one thread: two only got into each other's way."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pairs = _pairs(kind, extra_pairs)
    tokenizer = _tokenizer(kind, pairs, None)
    model = _model(kind, tokenizer, 64, 1, 4, None, 128)
    coded = _Coded(kind, tokenizer, model, pairs)
    rate = 5e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    draw = random.Random(0)
    for step in range(steps):
        losses, smoothed = coded.losses(draw.sample(range(len(pairs)), min(64, len(pairs))))
        optimizer.zero_grad()
        smoothed.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if kind.startswith("marian"):
            _clear_padding(model, tokenizer.pad_token_id)
        # Not until it is quite sure: then the few beams besides the right one go astray, and end before it.
        if step % 5 == 4 and losses.max() < 0.4 and coded.are_found():
            return tokenizer, model.eval()
    raise RuntimeError(f"toy {kind} has not memorised its sentences in {steps} steps")


class _Coded:
    """All pairs as tensors, and the loss of the model on each of their tokens."""

    def __init__(self, kind: str, tokenizer: Any, model: Any, pairs: Sequence[Pair]) -> None:
        self.model, self.padding = model, tokenizer.pad_token_id
        coded = [_encode(kind, tokenizer, *pair) for pair in pairs]
        self.targets = [ids for _, ids in coded]
        self.prompt = 2 if kind in ("nllb", "m2m100") else 1
        self.unwanted = [tokenizer.unk_token_id, self.padding]
        pad = torch.nn.utils.rnn.pad_sequence
        self.sources = pad([torch.tensor(ids) for ids, _ in coded], True, self.padding)
        self.labels = pad([torch.tensor(ids) for _, ids in coded], True, -100)
        # Not shifted by the model: with the language masked in the labels, it would give the decoder padding instead.
        self.inputs = torch.full_like(self.labels, model.config.decoder_start_token_id)
        self.inputs[:, 1:] = self.labels.masked_fill(self.labels == -100, self.padding)[:, :-1]
        if self.prompt == 2:
            self.labels[:, 0] = -100  # the language: forced when translating, and not to be foreseen in training

    def are_found(self) -> bool:
        """Tell whether every token is likely enough, and a search with four beams finds every sentence."""
        with torch.no_grad():
            if self.losses(range(len(self.targets)))[0].max() > 0.4:
                return False
            found = self.model.generate(
                input_ids=self.sources, attention_mask=(self.sources != self.padding).long(), num_beams=4,
                early_stopping=True, max_new_tokens=self.labels.shape[1], decoder_input_ids=self.inputs[:, : self.prompt],
                suppress_tokens=self.unwanted,
            )  # fmt: skip
        return all(row[1 : 1 + len(ids)] == ids for row, ids in zip(found.tolist(), self.targets, strict=True))

    def losses(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (T,) the loss of each token of some rows, and the mean of them all with smoothed labels.

        Without smoothing the end of the text is a likely error anywhere, and a search for four beams ends with four of
        these before it comes to the right end: 118 of 120 sentences were found.
        """
        source, labels = self.sources[rows], self.labels[rows]
        source = source[:, : int((source != self.padding).sum(1).max())]
        labels = labels[:, : int((labels != -100).nonzero()[:, 1].max()) + 1]
        logits = self.model(
            input_ids=source, attention_mask=(source != self.padding).long(),
            decoder_input_ids=self.inputs[rows][:, : labels.shape[1]],
        ).logits  # fmt: skip
        logits, labels = logits[labels != -100], labels[labels != -100]
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        return losses, torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)


def _save(tokenizer: Any, model: Any, folder: Path) -> None:
    bad = [[tokenizer.pad_token_id]] if model.config.model_type == "marian" else None
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=model.config.decoder_start_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, max_new_tokens=96, bad_words_ids=bad,
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
