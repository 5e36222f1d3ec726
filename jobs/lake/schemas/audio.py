"""Tables computed from audio: the status of the files, clips, descriptors, and the outputs of the genre model.

Tables whose key begins with `content_hash` and `producer_version` are caches by content (jobs/content_cache.py): each night
adds the rows of new content.
"""

from pyspark.sql.types import ArrayType

from jobs.lake.schemas.columns import BYTES, FLAG, INT, REAL, TEXT, TRACK, VECTOR, column, define, optional

CONTENT = column("content_hash", TEXT, "SHA-256 (hex) of the audio file's bytes")
PRODUCER_VERSION = column("producer_version", TEXT, "digest of the settings and the program that computed the row")

AUDIO_STATUS = define(
    "audio_status",
    "content of an audio file with its processing status, once for all nights; one part per table computed from audio",
    "mel, descriptors",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    optional("seconds", REAL, "length of the whole file, s; null for an unusable file"),
    optional("sample_rate", INT, "sample rate of the file, Hz; null for an unusable file"),
    optional("channels", INT, "channels of the file; null for an unusable file"),
    optional("n_outputs", INT, "number of rows computed from it; null for an unusable file"),
    optional("rule", TEXT, "name of the rule that it breaks; null for a usable file"),
    optional("reason", TEXT, "explanation of the rule"),
)
MEL = define(
    "mel",
    "log-mel spectrogram of a clip of an audio content, once for all nights",
    "mel",
    ("content_hash", "producer_version", "preset", "clip"),
    CONTENT,
    PRODUCER_VERSION,
    column("preset", TEXT, "pmrs-4s or spotify-30s (models/mel_presets.py)"),
    column("clip", INT, "0-based position of the clip in the file"),
    column("start", REAL, "start of the clip in the file, s"),
    column("tiled", FLAG, "True if the audio is shorter than the preset's clip and was repeated"),
    column("mel", BYTES, "599 frames x 128 mel bins, float16, row-major; log-compressed power"),
)
TRACK_CLIPS = define(
    "track_clips",
    "track with usable audio, and the key of its clips in `mel`",
    "mel",
    ("track_id",),
    TRACK,
    CONTENT,
    PRODUCER_VERSION,
    column("seconds", REAL, "length of the audio file, s"),
    column("sample_rate", INT, "sample rate of the audio file, Hz"),
    column("channels", INT, "channels of the audio file"),
    column("clips", INT, "number of clips, all presets together"),
)
NUMBERS = (
    column("loudness", REAL, "level of all frames, dB of full scale"),
    column("intensity", REAL, "level of the loudest tenth of the frames, dB of full scale"),
    column("dynamics", REAL, "difference of the 95th and the 10th percentile of the frames' levels, dB"),
    column("tempo", REAL, "beats per minute"),
    column("onset_rate", REAL, "note onsets per second"),
    column("onset_strength", REAL, "mean rise of the mel spectrum from frame to frame, dB"),
    column("centroid", REAL, "mean centroid of the spectrum, Hz"),
    column("centroid_std", REAL, "standard deviation over the frames, Hz"),
    column("bandwidth", REAL, "mean bandwidth of the spectrum, Hz"),
    column("bandwidth_std", REAL, "standard deviation over the frames, Hz"),
    column("rolloff", REAL, "mean frequency below which 85 % of the spectrum's energy is, Hz"),
    column("rolloff_std", REAL, "standard deviation over the frames, Hz"),
    column("flatness", REAL, "mean flatness of the spectrum: 0 a tone, 1 noise"),
    column("zero_crossings", REAL, "mean fraction of samples with a zero crossing"),
    column("zero_crossings_std", REAL, "standard deviation over the frames"),
)
VECTORS = (
    column("mfcc", VECTOR, "means of the mel-frequency cepstral coefficients, the level first"),
    column("mfcc_std", VECTOR, "standard deviations over the frames"),
    column("mfcc_delta_std", VECTOR, "standard deviations of their slopes over the frames"),
    column("chroma", VECTOR, "means of the 12 pitch classes, from C; the strongest of a frame is 1"),
    column("chroma_std", VECTOR, "standard deviations over the frames"),
    column("contrast", VECTOR, "means of the difference of peak and valley in 7 bands of the spectrum, dB"),
    column("contrast_std", VECTOR, "standard deviations over the frames, dB"),
)
AUDIO_DESCRIPTORS = define(
    "audio_descriptors",
    "audio content with its descriptors (jobs/audio/librosa_features.py), once for all nights",
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
    "genre probabilities of an audio content (of a network: means over its clips), once for all nights",
    "genre_score",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    column("probabilities", VECTOR, "P(g|content), in the order of the model's genres"),
    column("embedding", VECTOR, "last hidden layer of the network, unitless; empty for a model that is no network"),
)
GENRE_SCORES = define(
    "genre_scores",
    "genre probabilities of a track (of a network: means over the clips of its audio)",
    "genre_score",
    ("track_id",),
    TRACK,
    column("probabilities", VECTOR, "P(g|track), in the order of the genre set; the sum is 1, except for a multi-label model"),
    column("embedding", VECTOR, "last hidden layer of the network, unitless; empty for a model that is no network"),
    column("model", TEXT, "digest of the model in the registry"),
)
TRACK_GENRES = define(
    "track_genres",
    "track with its genre and the source of the genre; published as classified_music",
    "classify",
    ("track_id",),
    TRACK,
    optional("genre", TEXT, "most probable genre; null if unknown"),
    column("confidence", REAL, "probability of that genre, 0 to 1; 0 if unknown"),
    column("probabilities", ArrayType(REAL), "P(g|track) in the order of the genre set; empty if unknown"),
    column("source", TEXT, "source of the genre: audio_model (the genre model), label, terms or none"),
    optional("model", TEXT, "digest of the genre model if the source is audio_model"),
)
TABLES = (AUDIO_STATUS, MEL, TRACK_CLIPS, AUDIO_DESCRIPTORS, TRACK_DESCRIPTORS, AUDIO_SCORES, GENRE_SCORES, TRACK_GENRES)
