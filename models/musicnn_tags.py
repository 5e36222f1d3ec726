"""Tags of the pretrained networks of models/musicnn.py. Imports no torch, so that jobs on tags load fast."""

from typing import Literal

NetworkName = Literal["MSD_musicnn", "MTT_musicnn"]

TAGS: dict[NetworkName, tuple[str, ...]] = {
    "MSD_musicnn": (
        "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz",
        "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica", "80s",
        "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
        "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro",
        "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
    ),
    "MTT_musicnn": (
        "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient", "beat",
        "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals", "harpsichord", "loud",
        "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
        "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal",
        "female voice", "choral",
    ),
}  # fmt: skip
"""Tags in the order of the outputs: Last.fm's most frequent ones for MSD, those of the game TagATune for MTT."""
BASE_RATES: dict[str, float] = {
    "rock": 0.1313, "pop": 0.1157, "alternative": 0.0423, "indie": 0.0466, "electronic": 0.0535,
    "female vocalists": 0.0789, "dance": 0.0422, "00s": 0.0104, "alternative rock": 0.0184, "jazz": 0.1174,
    "beautiful": 0.0121, "metal": 0.0323, "chillout": 0.0203, "male vocalists": 0.0110, "classic rock": 0.0353,
    "soul": 0.0702, "indie rock": 0.0158, "Mellow": 0.0108, "electronica": 0.0150, "80s": 0.0531, "folk": 0.0380,
    "90s": 0.0186, "chill": 0.0088, "instrumental": 0.0603, "punk": 0.0210, "oldies": 0.0268, "blues": 0.0650,
    "hard rock": 0.0322, "ambient": 0.0186, "acoustic": 0.0128, "experimental": 0.0179, "female vocalist": 0.0101,
    "guitar": 0.0132, "Hip-Hop": 0.0661, "70s": 0.0272, "party": 0.0053, "country": 0.0416,
    "easy listening": 0.0139, "sexy": 0.0058, "catchy": 0.0046, "funk": 0.0395, "electro": 0.0109,
    "heavy metal": 0.0304, "Progressive rock": 0.0252, "60s": 0.0176, "rnb": 0.0242, "indie pop": 0.0075,
    "sad": 0.0043, "House": 0.0123, "happy": 0.0029,
}  # fmt: skip
"""Mean probability of each MSD tag over the 60 GTZAN clips, six of each of ten genres. A tag's probability over its base rate
shows how much the audio differs from that mixture of genres: rock is frequent, and a probability of .2 means little."""
