const song = JSON.parse(document.getElementById("song").textContent);
const player = new Player(song);
const byId = (id) => document.getElementById(id);
const FREQUENCIES = [50, 100, 200, 500, 1000, 2000, 5000, 10000];
const HUES = [350, 55, 285, 195, 140, 250, 20, 100, 320];
const METER_FLOOR = -48; // dB

const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
};
const decibels = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)} dB`;
const hertz = (value) => (value < 1000 ? `${value.toPrecision(3)} Hz` : `${(value / 1000).toPrecision(3)} kHz`);

// A mouse leaves no focus behind, so that space and arrows stay the player's; a keyboard's focus stays where it is.
const onPress = (button, action) =>
  button.addEventListener("click", (event) => {
    action(event);
    if (event.detail > 0) button.blur();
  });

// ---- What stands on the page

const firstStem = song.tracks[0].isMixture ? 1 : 0;
const digitOf = (number) => (song.tracks[number].isMixture ? 0 : number - firstStem + 1);

const rows = song.tracks.map(({ name, isMixture, picture }, number) => {
  const row = byId("track").content.firstElementChild.cloneNode(true);
  const find = (selector) => row.querySelector(selector);
  const [solo, mute, volume, output, image] = [".solo", ".mute", "input", "output", "img"].map(find);
  find("h2").textContent = name;
  find(".number").textContent = digitOf(number) < 10 ? digitOf(number) : "";
  row.classList.toggle("mixture", isMixture);
  row.style.setProperty("--hue", HUES[(number - firstStem + HUES.length) % HUES.length]);
  solo.setAttribute("aria-label", `Solo ${name}`);
  mute.setAttribute("aria-label", `Mute ${name}`);
  volume.setAttribute("aria-label", `Volume of ${name}`);
  image.src = picture;
  image.alt = `Spectrogram of ${name}`;
  drawAxis(find(".axis"));
  const setVolume = () => {
    const silent = volume.value === volume.min;
    output.textContent = silent ? "−∞ dB" : decibels(Number(volume.value));
    volume.setAttribute("aria-valuetext", silent ? "silent" : output.textContent);
    player.setVolume(number, silent ? 0 : 10 ** (volume.value / 20));
  };
  volume.addEventListener("input", setVolume);
  volume.addEventListener("pointerup", () => volume.blur());
  volume.addEventListener("dblclick", () => {
    volume.value = 0;
    setVolume();
  });
  setVolume();
  onPress(solo, (event) => toggleSolo(number, event.shiftKey));
  onPress(mute, () => {
    player.toggleMute(number);
    show();
  });
  byId("tracks").append(row);
  return { row, solo, mute, meter: find(".meter span") };
});

function drawAxis(axis) {
  const { low, high } = song.frequencies;
  for (const frequency of FREQUENCIES.filter((each) => each > low && each < high)) {
    const label = document.createElement("span");
    label.textContent = frequency < 1000 ? frequency : `${frequency / 1000}k`;
    label.style.bottom = `${(100 * Math.log(frequency / low)) / Math.log(high / low)}%`;
    label.classList.toggle("minor", ![100, 1000, 10000].includes(frequency));
    axis.append(label);
  }
}

function drawOverview() {
  const points = song.overview.map((height, index) => [index + 0.5, height / 255]);
  const edge = (sign, list) => list.map(([x, height]) => `${x},${(50 - sign * 48 * Math.max(height, 0.01)).toFixed(1)}`);
  const path = `M${[...edge(1, points), ...edge(-1, [...points].reverse())].join("L")}Z`;
  for (const svg of byId("timeline").querySelectorAll("svg")) {
    svg.setAttribute("viewBox", `0 0 ${points.length} 100`);
    svg.firstElementChild.setAttribute("d", path);
  }
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((each) => song.seconds / each <= 8) ?? 7200;
  for (let second = 0; second < 0.94 * song.seconds; second += step) {
    const tick = document.createElement("span");
    tick.textContent = clock(second);
    tick.style.left = `${(100 * second) / song.seconds}%`;
    byId("ticks").append(tick);
  }
}

function describe() {
  byId("about").textContent = song.about;
  byId("caption").textContent = song.overviewOf;
  byId("length").textContent = ` / ${clock(song.seconds)}`;
  byId("timeline").setAttribute("aria-valuemax", song.seconds.toFixed(1));
  byId("bottom").textContent = decibels(song.levels.bottom);
  byId("top").textContent = decibels(song.levels.top);
  byId("colours").style.background = `linear-gradient(to right, ${song.colours.join(", ")})`;
  byId("colours").setAttribute("aria-label", "Colours of the spectrograms, the same for all tracks");
  for (const note of song.notes) byId("notes").append(Object.assign(document.createElement("li"), { textContent: note }));
  document.querySelector(".of-mixture").hidden = firstStem === 0;
  document.documentElement.style.setProperty("--tracks", song.tracks.length);
}

// ---- What changes

const toggle = () => {
  if (player.playing) player.pause();
  else player.play().then(animate);
  show();
};
const seek = (seconds) => {
  player.seek(seconds);
  showPosition(player.position);
};
const toggleSolo = (number, beside) => {
  player.toggleSolo(number, beside);
  show();
};

let dragged = null; // where a pointer holds the playhead, in seconds

function show() {
  byId("play").classList.toggle("playing", player.playing);
  byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  player.tracks.forEach((track, number) => {
    const { row, solo, mute } = rows[number];
    row.classList.toggle("silent", !player.isAudible(track));
    solo.setAttribute("aria-pressed", track.soloed);
    mute.setAttribute("aria-pressed", track.muted);
  });
  showPosition(dragged ?? player.position);
}

function showPosition(seconds) {
  document.documentElement.style.setProperty("--played", `${(100 * seconds) / song.seconds}%`);
  const text = clock(seconds);
  if (byId("now").textContent === text && byId("timeline").hasAttribute("aria-valuetext")) return;
  byId("now").textContent = text;
  byId("timeline").setAttribute("aria-valuenow", seconds.toFixed(1));
  byId("timeline").setAttribute("aria-valuetext", `${text} of ${clock(song.seconds)}`);
}

function showMeters() {
  player.tracks.forEach(({ meters }, number) => {
    const level = player.playing ? 20 * Math.log10(Player.peak(meters)) : -Infinity;
    rows[number].meter.style.transform = `scaleX(${Math.min(1, Math.max(0, 1 - level / METER_FLOOR))})`;
  });
  if (player.playing && Player.peak(player.outputMeters) > 1) byId("clipped").hidden = false;
}

let animated = false;
function animate() {
  if (animated) return;
  animated = true;
  const frame = () => {
    showPosition(dragged ?? player.position);
    showMeters();
    animated = player.playing;
    if (animated) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

// ---- What a person does

function makeSeekable(element) {
  const at = (event) => {
    const { left, width } = element.getBoundingClientRect();
    return song.seconds * Math.min(1, Math.max(0, (event.clientX - left) / width));
  };
  const frequencyAt = (event) => {
    const { top, height } = element.getBoundingClientRect();
    const { low, high } = song.frequencies;
    return high * (low / high) ** Math.min(1, Math.max(0, (event.clientY - top) / height));
  };
  const release = () => {
    dragged = null;
    document.body.classList.remove("dragging");
    showPosition(player.position);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    document.body.classList.add("dragging");
    dragged = at(event);
    showPosition(dragged);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") {
      document.body.classList.add("hovering");
      document.documentElement.style.setProperty("--hovered", `${(100 * at(event)) / song.seconds}%`);
      const place = `${clock(at(event))}.${Math.floor(10 * at(event)) % 10}`;
      byId("caption").textContent = element.id === "timeline" ? place : `${place} · ${hertz(frequencyAt(event))}`;
    }
    if (dragged === null) return;
    dragged = at(event);
    showPosition(dragged);
  });
  element.addEventListener("pointerleave", () => {
    document.body.classList.remove("hovering");
    byId("caption").textContent = song.overviewOf;
  });
  element.addEventListener("pointerup", (event) => {
    if (dragged === null) return;
    player.seek(at(event));
    release();
  });
  element.addEventListener("pointercancel", release);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, code, key, shiftKey } = event;
  const onButton = target instanceof HTMLButtonElement;
  const onSlider = target instanceof HTMLInputElement;
  // The row of digits whatever its keys give, with Shift or in French; the keypad only while it gives digits.
  const digit = /^Digit(\d)$/.exec(code)?.[1] ?? (/^Numpad\d$/.test(code) ? /^\d$/.exec(key)?.[0] : undefined);
  if (digit !== undefined) {
    const number = song.tracks.findIndex((_, index) => digitOf(index) === Number(digit));
    if (number < 0 || event.repeat) return;
    toggleSolo(number, shiftKey);
  } else if (key === " " && !onButton) {
    if (!event.repeat) toggle();
  } else if ((key === "ArrowLeft" || key === "ArrowRight") && !onSlider) {
    seek(player.position + (key === "ArrowLeft" ? -1 : 1) * (shiftKey ? 1 : 5));
  } else if (key === "Home" && !onSlider) {
    seek(0);
  } else {
    return;
  }
  event.preventDefault();
});

onPress(byId("play"), toggle);
onPress(byId("clipped"), () => {
  byId("clipped").hidden = true;
});
player.onend = show;

// ---- From base64 to samples

function bytesOf(number) {
  const element = byId(`audio-${number}`);
  const text = element.textContent;
  element.remove();
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text).buffer;
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes.buffer;
}

async function decodeAll() {
  for (const [number, { name }] of song.tracks.entries()) {
    byId("status").textContent = `Decoding ${number + 1} of ${song.tracks.length} …`;
    try {
      await player.decode(number, bytesOf(number));
    } catch (error) {
      byId("status").classList.add("failed");
      byId("status").textContent = `This browser cannot decode ${name}: ${error.message}`;
      return;
    }
    rows[number].row.classList.add("decoded");
  }
  byId("status").textContent = "";
  byId("play").disabled = false;
}

// Without this, the switch on the side of an iPhone silences the page.
if (navigator.audioSession) navigator.audioSession.type = "playback";
for (const element of document.querySelectorAll("#timeline, .spectrogram .seekable")) makeSeekable(element);
describe();
drawOverview();
show();
document.addEventListener("DOMContentLoaded", decodeAll);
