"""Tables computed from audio: the status of the files, clips, descriptors, and the outputs of the genre model.

Tables whose key begins with `content_hash` and `producer_version` are caches by content (jobs/content_cache.py): each night
adds the rows of new content.
"""

from pyspark.sql.types import ArrayType

from jobs.lake.schemas.columns import (
    BOOLEAN,
    BYTES,
    DOUBLE,
    FLOAT_ARRAY,
    INT,
    STRING,
    TRACK,
    define_table,
    field,
    nullable_field,
)

CONTENT = field("content_hash", STRING, "SHA-256 (hex) of the audio file's bytes")
PRODUCER_VERSION = field("producer_version", STRING, "digest of the settings and the program that computed the row")

AUDIO_STATUS = define_table(
    "audio_status",
    "content of an audio file with its processing status, once for all nights; one part per table computed from audio",
    "mel, descriptors",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    nullable_field("seconds", DOUBLE, "length of the whole file, s; null for an unusable file"),
    nullable_field("sample_rate", INT, "sample rate of the file, Hz; null for an unusable file"),
    nullable_field("channels", INT, "channels of the file; null for an unusable file"),
    nullable_field("n_outputs", INT, "number of rows computed from it; null for an unusable file"),
    nullable_field("rule", STRING, "name of the rule that it breaks; null for a usable file"),
    nullable_field("reason", STRING, "explanation of the rule"),
)
MEL = define_table(
    "mel",
    "log-mel spectrogram of a clip of an audio content, once for all nights",
    "mel",
    ("content_hash", "producer_version", "preset", "clip"),
    CONTENT,
    PRODUCER_VERSION,
    field("preset", STRING, "pmrs-4s, spotify-30s or musicnn (models/mel_presets.py)"),
    field("clip", INT, "0-based position of the clip in the file"),
    field("start", DOUBLE, "start of the clip in the file, s"),
    field("tiled", BOOLEAN, "True if the audio is shorter than the preset's shortest clip and was repeated"),
    field("mel", BYTES, "frames x mel bins, float16, row-major; log-compressed power; 599 x 128, of musicnn at most 1876 x 96"),
)
TRACK_CLIPS = define_table(
    "track_clips",
    "track with usable audio, and the key of its clips in `mel`",
    "mel",
    ("track_id",),
    TRACK,
    CONTENT,
    PRODUCER_VERSION,
    field("seconds", DOUBLE, "length of the audio file, s"),
    field("sample_rate", INT, "sample rate of the audio file, Hz"),
    field("channels", INT, "channels of the audio file"),
    field("clips", INT, "number of clips, all presets together"),
)
NUMBERS = (
    field("loudness", DOUBLE, "level of all frames, dB of full scale"),
    field("intensity", DOUBLE, "level of the loudest tenth of the frames, dB of full scale"),
    field("dynamics", DOUBLE, "difference of the 95th and the 10th percentile of the frames' levels, dB"),
    field("tempo", DOUBLE, "beats per minute"),
    field("onset_rate", DOUBLE, "note onsets per second"),
    field("onset_strength", DOUBLE, "mean rise of the mel spectrum from frame to frame, dB"),
    field("centroid", DOUBLE, "mean centroid of the spectrum, Hz"),
    field("centroid_std", DOUBLE, "standard deviation over the frames, Hz"),
    field("bandwidth", DOUBLE, "mean bandwidth of the spectrum, Hz"),
    field("bandwidth_std", DOUBLE, "standard deviation over the frames, Hz"),
    field("rolloff", DOUBLE, "mean frequency below which 85 % of the spectrum's energy is, Hz"),
    field("rolloff_std", DOUBLE, "standard deviation over the frames, Hz"),
    field("flatness", DOUBLE, "mean flatness of the spectrum: 0 a tone, 1 noise"),
    field("zero_crossings", DOUBLE, "mean fraction of samples with a zero crossing"),
    field("zero_crossings_std", DOUBLE, "standard deviation over the frames"),
)
VECTORS = (
    field("mfcc", FLOAT_ARRAY, "means of the mel-frequency cepstral coefficients, the level first"),
    field("mfcc_std", FLOAT_ARRAY, "standard deviations over the frames"),
    field("mfcc_delta_std", FLOAT_ARRAY, "standard deviations of their slopes over the frames"),
    field("chroma", FLOAT_ARRAY, "means of the 12 pitch classes, from C; the strongest of a frame is 1"),
    field("chroma_std", FLOAT_ARRAY, "standard deviations over the frames"),
    field("contrast", FLOAT_ARRAY, "means of the difference of peak and valley in 7 bands of the spectrum, dB"),
    field("contrast_std", FLOAT_ARRAY, "standard deviations over the frames, dB"),
)
AUDIO_DESCRIPTORS = define_table(
    "audio_descriptors",
    "audio content with its descriptors (jobs/audio/librosa_features.py), once for all nights",
    "descriptors",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    *NUMBERS,
    *VECTORS,
)
TRACK_DESCRIPTORS = define_table(
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
EMBEDDINGS = (
    field("patches", INT, "number of patches of 3 s that the network took"),
    field("embedding", FLOAT_ARRAY, "mean over the patches of the penultimate layer, 200 numbers, unitless"),
    field("embedding_max", FLOAT_ARRAY, "maximum over the patches of the penultimate layer, 200 numbers, unitless"),
    field("tags", FLOAT_ARRAY, "mean over the patches of each tag's probability, in the order of the network's card"),
    field("tags_max", FLOAT_ARRAY, "maximum over the patches of each tag's probability"),
    field("taggram", FLOAT_ARRAY, "probabilities of all tags of the first patch, of the second, and so on"),
)
AUDIO_EMBEDDINGS = define_table(
    "audio_embeddings",
    "audio content with the outputs of the pretrained network (models/musicnn.py), once for all nights",
    "embeddings",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    *EMBEDDINGS,
)
TRACK_EMBEDDINGS = define_table(
    "track_embeddings",
    "track with the outputs of the pretrained network for its audio",
    "embeddings",
    ("track_id",),
    TRACK,
    CONTENT,
    PRODUCER_VERSION,
    *EMBEDDINGS,
)
AUDIO_SCORES = define_table(
    "audio_scores",
    "genre probabilities of an audio content (of a network: means over its clips), once for all nights",
    "genre_score",
    ("content_hash", "producer_version"),
    CONTENT,
    PRODUCER_VERSION,
    field("probabilities", FLOAT_ARRAY, "P(g|content), in the order of the model's genres"),
    field("embedding", FLOAT_ARRAY, "last hidden layer of the network, unitless; empty for a model that is no network"),
)
GENRE_SCORES = define_table(
    "genre_scores",
    "genre probabilities of a track (of a network: means over the clips of its audio)",
    "genre_score",
    ("track_id",),
    TRACK,
    field(
        "probabilities",
        FLOAT_ARRAY,
        "P(g|track), in the order of the genre set; the sum is 1, except for a multi-label model",
    ),
    field("embedding", FLOAT_ARRAY, "last hidden layer of the network, unitless; empty for a model that is no network"),
    field("model", STRING, "digest of the model in the registry"),
)
TRACK_GENRES = define_table(
    "track_genres",
    "track with its genre and the source of the genre; published as classified_music",
    "classify",
    ("track_id",),
    TRACK,
    nullable_field("genre", STRING, "most probable genre; null if unknown"),
    field("confidence", DOUBLE, "probability of that genre, 0 to 1; 0 if unknown"),
    field(
        "probabilities", ArrayType(DOUBLE),
        "P(g|track) in the order of the genre set; empty if unknown; the sum is below 1 if the source is audio_tags",
    ),
    field("source", STRING, "source of the genre: audio_model (the genre model), label, terms, audio_tags or none"),
    nullable_field("model", STRING, "digest of the genre model if the source is audio_model"),
)
TABLES = (
    AUDIO_STATUS,
    MEL,
    TRACK_CLIPS,
    AUDIO_DESCRIPTORS,
    TRACK_DESCRIPTORS,
    AUDIO_EMBEDDINGS,
    TRACK_EMBEDDINGS,
    AUDIO_SCORES,
    GENRE_SCORES,
    TRACK_GENRES,
)
