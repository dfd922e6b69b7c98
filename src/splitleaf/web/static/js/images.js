// From a chosen file to what is sent, what is shown and what is remembered.

import { Problem } from "./problems.js";

const MAX_BYTES = 10_000_000;
const MAX_PIXELS = 12_000_000;
const REDUCED_SIDE = 2560; // far above what any answer needs, far below what a field connection suffers from
const PREVIEW_SIDE = 640;
const KEEPSAKE_SIDE = 144;

const IMAGE_OR_UNKNOWN = /^(image\/.*|application\/octet-stream|)$/;
const UNREADABLE = /^image\/(gif|svg\+xml|tiff|bmp|x-ms-bmp|x-icon|vnd\..*)$/;

/**
 * Check a file and return `{image, preview, keepsake}`: the blob to send, an object URL to show
 * and a small data URL to remember. The last two are null where this browser cannot draw the file
 * (HEIC mostly); the service may still read it. Rejects with Problem for what is certainly no photo.
 */
export async function prepareImage(file) {
  refuseOthers(file);
  const address = URL.createObjectURL(file);
  try {
    const image = await drawable(address);
    if (!image) return { image: file, preview: null, keepsake: null };
    const preview = await asBlob(scaled(image, PREVIEW_SIDE), 0.85);
    return {
      image: await reduced(file, image),
      preview: preview && URL.createObjectURL(preview),
      keepsake: square(image, KEEPSAKE_SIDE).toDataURL("image/jpeg", 0.72),
    };
  } finally {
    URL.revokeObjectURL(address);
  }
}

function refuseOthers(file) {
  if (file.size === 0) throw new Problem("image_empty");
  // An unknown kind goes through: some systems do not know HEIC. The service looks at the bytes.
  const isOther = !IMAGE_OR_UNKNOWN.test(file.type) || UNREADABLE.test(file.type);
  if (isOther) throw new Problem("unsupported_media_type");
}

async function drawable(address) {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch {
    return null;
  }
  return image.naturalWidth > 0 && image.naturalHeight > 0 ? image : null;
}

async function reduced(file, image) {
  const isLarge = file.size > MAX_BYTES || image.naturalWidth * image.naturalHeight > MAX_PIXELS;
  if (!isLarge) return file;
  const smaller = await asBlob(scaled(image, REDUCED_SIDE), 0.92);
  return smaller && smaller.size < file.size ? smaller : file;
}

function scaled(image, side) {
  const scale = Math.min(1, side / Math.max(image.naturalWidth, image.naturalHeight));
  const width = Math.max(1, Math.round(image.naturalWidth * scale));
  const height = Math.max(1, Math.round(image.naturalHeight * scale));
  return paint(width, height, (context) => context.drawImage(image, 0, 0, width, height));
}

function square(image, side) {
  const shorter = Math.min(image.naturalWidth, image.naturalHeight);
  const left = (image.naturalWidth - shorter) / 2;
  const top = (image.naturalHeight - shorter) / 2;
  return paint(side, side, (context) => context.drawImage(image, left, top, shorter, shorter, 0, 0, side, side));
}

function paint(width, height, draw) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = contextOf(canvas);
  context.fillStyle = "white"; // JPEG knows no transparency; black would look like rot
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  draw(context);
  return canvas;
}

/**
 * Return what draws on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** @returns {Promise<Blob | null>} */
function asBlob(canvas, quality) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}
