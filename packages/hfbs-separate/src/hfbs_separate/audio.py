"""Audio files, for programs that read them by themselves: decoding, reading any part, folders of songs."""

from ._decode import Recording as Recording
from ._decode import SongFile as SongFile
from ._decode import decode as decode
from ._decode import open_song as open_song
from ._evaluation._folders import audio_files as audio_files
from ._evaluation._folders import is_audio_file as is_audio_file
from ._evaluation._folders import song_folders as song_folders
from ._seek_table import SeekRecorder as SeekRecorder
from ._seek_table import SeekTable as SeekTable
from ._song_reader import SongReader as SongReader
from ._types import Audio as Audio
from ._types import Progress as Progress
