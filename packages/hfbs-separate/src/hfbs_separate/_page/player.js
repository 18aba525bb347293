"use strict";

// Plays all tracks from the clock of one AudioContext: they start at one time of it and stay together to the sample.
class Player {
  static FADE = 0.008; // seconds; against clicks where playing starts or stops within a sound
  static RAMP = 0.02; // seconds; from one volume to another

  constructor({ rate, lead, seconds, tracks }) {
    this.context = Player.contextAt(rate);
    this.lead = { click: lead.click / rate, song: lead.song / rate }; // seconds before the song, the same in all tracks
    this.seconds = seconds;
    this.playing = false;
    this.onend = () => {};
    this.place = 0; // seconds: where playing started, or stands still
    this.startedAt = 0; // on the context's clock
    this.run = []; // the nodes that sound now
    this.output = this.context.createGain();
    this.output.connect(this.context.destination);
    this.outputMeters = this.splitMeters(this.output);
    this.tracks = tracks.map(({ isMixture }) => {
      const gain = this.context.createGain();
      gain.connect(this.output);
      // The stems together are the mixture already, so it waits.
      return { buffer: null, begin: 0, gain, meters: this.splitMeters(gain), volume: 1, muted: isMixture, soloed: false };
    });
    this.applyVolumes();
  }

  // The tracks' own rate, so that nothing is resampled; a browser that cannot run at it resamples while decoding.
  static contextAt(sampleRate) {
    try {
      return new AudioContext({ sampleRate });
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      return new AudioContext();
    }
  }

  // One for each channel, because a meter of both would show their mean.
  splitMeters(node) {
    const splitter = this.context.createChannelSplitter(2);
    node.connect(splitter);
    return [0, 1].map((channel) => {
      const analyser = this.context.createAnalyser();
      analyser.fftSize = 4096; // longer than a frame of the screen, so that no peak falls between
      splitter.connect(analyser, channel);
      return analyser;
    });
  }

  // The largest magnitude of the last moments.
  static peak(meters) {
    const samples = new Float32Array(meters[0].fftSize);
    let peak = 0;
    for (const meter of meters) {
      meter.getFloatTimeDomainData(samples);
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    }
    return peak;
  }

  async decode(number, bytes) {
    const buffer = await this.context.decodeAudioData(bytes);
    this.tracks[number].begin = this.beginOfSong(buffer);
    this.tracks[number].buffer = buffer;
  }

  // In seconds: as long after the click before the song as it was encoded, whatever delay this browser leaves in MP3.
  beginOfSong(buffer) {
    const samples = buffer.getChannelData(0).subarray(0, Math.round(this.lead.song * buffer.sampleRate));
    let click = 0;
    for (let place = 0; place < samples.length; place++) {
      if (Math.abs(samples[place]) > Math.abs(samples[click])) click = place;
    }
    return click / buffer.sampleRate + this.lead.song - this.lead.click;
  }

  get ready() {
    return this.tracks.every(({ buffer }) => buffer);
  }

  // What is heard now: what was scheduled, less the time that it takes to the loudspeaker.
  get position() {
    if (!this.playing) return this.place;
    const late = this.context.outputLatency || this.context.baseLatency || 0;
    return Math.min(this.seconds, this.place + Math.max(0, this.context.currentTime - late - this.startedAt));
  }

  async play() {
    if (this.playing || !this.ready) return;
    if (this.place >= this.seconds) this.place = 0;
    this.playing = true;
    this.startedAt = Infinity;
    await this.context.resume();
    if (this.playing && this.startedAt === Infinity) this.start();
  }

  pause() {
    if (!this.playing) return;
    this.place = this.position;
    this.playing = false;
    this.stop();
  }

  seek(seconds) {
    const running = this.playing && this.startedAt !== Infinity;
    if (running) this.stop();
    this.place = Math.min(Math.max(seconds, 0), this.seconds);
    if (running) this.start();
  }

  start() {
    const when = this.context.currentTime + 0.02;
    this.startedAt = when;
    this.run = this.tracks.map(({ buffer, begin, gain }) => {
      const source = new AudioBufferSourceNode(this.context, { buffer });
      const fade = this.context.createGain();
      if (this.place > 0) {
        fade.gain.setValueAtTime(0, when);
        fade.gain.linearRampToValueAtTime(1, when + Player.FADE);
      }
      source.connect(fade).connect(gain);
      source.start(when, begin + this.place, this.seconds - this.place);
      return { source, fade };
    });
    this.run[0].source.onended = () => {
      this.place = this.seconds;
      this.playing = false;
      this.onend();
    };
  }

  stop() {
    const now = this.context.currentTime;
    for (const { source, fade } of this.run) {
      source.onended = null;
      fade.gain.cancelScheduledValues(now);
      fade.gain.setValueAtTime(fade.gain.value, now);
      fade.gain.linearRampToValueAtTime(0, now + Player.FADE);
      source.stop(now + Player.FADE);
    }
    this.run = [];
  }

  setVolume(number, volume) {
    this.tracks[number].volume = volume;
    this.applyVolumes();
  }

  toggleMute(number) {
    const track = this.tracks[number];
    track.muted = !track.muted;
    this.applyVolumes();
  }

  // Beside those that are soloed already; else alone, or off where it is alone already.
  toggleSolo(number, beside) {
    const others = this.tracks.filter((_, other) => other !== number);
    const chosen = this.tracks[number];
    chosen.soloed = !chosen.soloed || (!beside && others.some(({ soloed }) => soloed));
    if (!beside) for (const other of others) other.soloed = false;
    this.applyVolumes();
  }

  // Whoever is soloed is heard, muted or not.
  isAudible({ soloed, muted }) {
    return this.tracks.some((track) => track.soloed) ? soloed : !muted;
  }

  applyVolumes() {
    const now = this.context.currentTime;
    for (const track of this.tracks) {
      const { gain } = track.gain;
      const target = this.isAudible(track) ? track.volume : 0;
      gain.cancelScheduledValues(now);
      if (this.context.state === "running") {
        gain.setValueAtTime(gain.value, now);
        gain.linearRampToValueAtTime(target, now + Player.RAMP);
      } else {
        gain.value = target;
      }
    }
  }
}
