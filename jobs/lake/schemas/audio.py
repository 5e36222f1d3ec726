"""Tables made of audio: the status of the files, clips, and the outputs of the genre network.

Tables whose key begins with `content_hash` and `producer_version` are caches by content (jobs/content_cache.py): each night
adds the rows of new content.
"""

from pyspark.sql.types import ArrayType

from jobs.lake.schemas.columns import BYTES, FLAG, INT, REAL, TEXT, TRACK, VECTOR, column, define, optional

CONTENT = column("content_hash", TEXT, "SHA-256 (hex) of the audio file's bytes")
PRODUCER_VERSION = column("producer_version", TEXT, "digest of the settings and the program that computed the row")

AUDIO_STATUS = define(
    "audio_status",
    "content of an audio file with what became of it, once for all nights; a part for each table that is made of audio",
    "mel, descriptors",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    optional("seconds", REAL, "length of the whole file, s; null: it could not be used"),
    optional("sample_rate", INT, "of the file, Hz; null: it could not be used"),
    optional("channels", INT, "of the file; null: it could not be used"),
    optional("n_outputs", INT, "rows that were made of it; null: it could not be used"),
    optional("rule", TEXT, "name of the rule that it broke; null: it was used"),
    optional("reason", TEXT, "the rule in words, for a person"),
)
MEL = define(
    "mel",
    "clip of an audio content as log-mel spectrogram, once for all nights",
    "mel",
    ("content_hash", "producer_version", "preset", "clip"),
    CONTENT,
    PRODUCER_VERSION,
    column("preset", TEXT, "pmrs-4s or spotify-30s (models/mel.py)"),
    column("clip", INT, "0-based position of the clip in the file"),
    column("start", REAL, "where in the file the clip begins, s"),
    column("tiled", FLAG, "the audio was shorter than the preset's clip and was repeated"),
    column("mel", BYTES, "599 frames x 128 mel bins, float16, row-major; log-compressed power"),
)
TRACK_CLIPS = define(
    "track_clips",
    "track whose audio can be used, and which rows of `mel` are its clips",
    "mel",
    ("track_id",),
    TRACK,
    CONTENT,
    PRODUCER_VERSION,
    column("seconds", REAL, "length of the audio file, s"),
    column("sample_rate", INT, "of the audio file, Hz"),
    column("channels", INT, "of the audio file"),
    column("clips", INT, "clips of all presets together"),
)
NUMBERS = (
    column("loudness", REAL, "level of the whole, dB of full scale"),
    column("intensity", REAL, "level of the loudest tenth of the frames, dB of full scale"),
    column("dynamics", REAL, "between the 10th and the 95th percentile of the frames' levels, dB"),
    column("tempo", REAL, "beats a minute"),
    column("onset_rate", REAL, "onsets of notes a second"),
    column("onset_strength", REAL, "mean rise of the mel spectrum from frame to frame, dB"),
    column("centroid", REAL, "mean centroid of the spectrum, Hz"),
    column("centroid_std", REAL, "its deviation over the frames, Hz"),
    column("bandwidth", REAL, "mean bandwidth of the spectrum, Hz"),
    column("bandwidth_std", REAL, "its deviation over the frames, Hz"),
    column("rolloff", REAL, "mean frequency below which 85 % of the spectrum lie, Hz"),
    column("rolloff_std", REAL, "its deviation over the frames, Hz"),
    column("flatness", REAL, "mean flatness of the spectrum: 0 a tone, 1 noise"),
    column("zero_crossings", REAL, "mean share of the samples at which the wave crosses zero"),
    column("zero_crossings_std", REAL, "its deviation over the frames"),
)
VECTORS = (
    column("mfcc", VECTOR, "mean cepstral coefficients of the mel spectrum in dB, the level first"),
    column("mfcc_std", VECTOR, "their deviations over the frames"),
    column("mfcc_delta_std", VECTOR, "deviations of their slopes"),
    column("chroma", VECTOR, "mean share of each of the 12 pitch classes, from C, the strongest of a frame = 1"),
    column("chroma_std", VECTOR, "their deviations over the frames"),
    column("contrast", VECTOR, "mean of peak against valley in 7 bands of the spectrum, dB"),
    column("contrast_std", VECTOR, "their deviations over the frames, dB"),
)
AUDIO_DESCRIPTORS = define(
    "audio_descriptors",
    "audio content with what music information retrieval says of it (jobs/audio/librosa_features.py), once for all nights",
    "descriptors",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    *NUMBERS,
    *VECTORS,
)
TRACK_DESCRIPTORS = define(
    "track_descriptors",
    "track with the descriptors of its audio",
    "descriptors",
    ("track_id",),
    TRACK,
    CONTENT,
    PRODUCER_VERSION,
    *NUMBERS,
    *VECTORS,
)
AUDIO_SCORES = define(
    "audio_scores",
    "genre scores of audio content (a network: the mean over its clips), once for all nights",
    "genre_score",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    column("probabilities", VECTOR, "P(g|content), in the order of the model's head"),
    column("embedding", VECTOR, "last hidden layer of the network, unitless; empty: the model is none"),
)
GENRE_SCORES = define(
    "genre_scores",
    "genre scores of a track (a network: the mean over the clips of its audio)",
    "genre_score",
    ("track_id",),
    TRACK,
    column("probabilities", VECTOR, "P(g|track), in the order of the genre set; sums to 1, unless labels were several"),
    column("embedding", VECTOR, "last hidden layer of the network, unitless; empty: the model is none"),
    column("model", TEXT, "digest of the model in the registry"),
)
TRACK_GENRES = define(
    "track_genres",
    "track with its genre and where the genre comes from; published as classified_music",
    "classify",
    ("track_id",),
    TRACK,
    optional("genre", TEXT, "most probable genre; null: none is known"),
    column("confidence", REAL, "probability of that genre, 0 to 1; 0 where none is known"),
    column("probabilities", ArrayType(REAL), "P(g|track) in the order of the genre set, or empty"),
    column("source", TEXT, "audio_model (the genre model), label, terms or none"),
    optional("model", TEXT, "digest of the genre model where source is audio_model"),
)
TABLES = (AUDIO_STATUS, MEL, TRACK_CLIPS, AUDIO_DESCRIPTORS, TRACK_DESCRIPTORS, AUDIO_SCORES, GENRE_SCORES, TRACK_GENRES)
