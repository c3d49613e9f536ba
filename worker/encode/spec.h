/* What the keeper tells the encoder, and what the encoder answers: the border
 * between render/ and the manimd-encode executable, as text.
 *
 * Started as: manimd-encode SPEC.json with the descriptors
 *   3 ring memory   4 data_ready   5 space_free   6 report (lines out)
 * and the directory for outputs as its working directory, which the encoder's
 * uid must be able to write.
 *
 * SPEC.json (the keeper's, read before the seal): {"width", "height",
 * "fps_num", "fps_den", "transparent", "outputs": ["mp4", …], "frame_log":
 * bool, "uid", "gid", "level", "namespaces": bool, "cgroup": path of a leaf or
 * "", "limits": {"output_bytes", "frames", "wall_ms", "memory_bytes"}, "job_id",
 * "title"}
 * and, as it likes, "threads": of x264; absent or 0 means one a core, ≤ 12.
 * "memory_bytes" is the job's; the box gets more where x264 needs more.
 * Width and height must be even for mp4 (4:2:0 has one colour for 2×2 pixels).
 *
 * What the scene may put into the ring, or it is output_invalid: FRAME and
 * STILL of exactly width×height×4 bytes; AUDIO ≤ 4 MiB a record, 1 or 2
 * channels, 8000 … 192000 Hz, the same throughout; SUBTITLE and SECTION
 * ≤ 64 KiB, UTF-8; END last. A SECTION begins with the next FRAME.
 *
 * Files: scene.mp4, frame.png, frames.log, each renamed into place when it is
 * whole; what begins with a dot or ends in .part is work in progress.
 *
 * Report lines, JSON, one each: {"frames": N, "distinct": M, "seconds": S} (S
 * of video so far) at most 10 a second; at the end one of
 *   {"done": true, "frames", "distinct", "outputs": [{kind, name, width,
 *    height, fps, frames, duration_s}], "encoder_used", "encode_ms",
 *    "subtitles", "sections", "sandbox": {"level"}}
 *   {"error": {"outcome": one of outcome.def, "message"}}
 * encode_ms is what it spent working, not waiting for the scene.
 * Exit as a stage: 0, 1 (the job's fault), 3 (ours).
 *
 * The reading end of descriptor 6's peer being closed, or SIGTERM, stops it
 * (exit 143 by SIGTERM). When the scene died without END, the keeper sends
 * SIGTERM. */
#ifndef MANIMD_ENCODE_SPEC_H
#define MANIMD_ENCODE_SPEC_H

enum encode_fd {
    ENCODE_FD_MEMORY = 3,
    ENCODE_FD_DATA_READY = 4,
    ENCODE_FD_SPACE_FREE = 5,
    ENCODE_FD_REPORT = 6,
};

#endif
