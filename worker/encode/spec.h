/* What the keeper tells the encoder, and what the encoder answers: the border
 * between render/ and the manimd-encode executable, as text.
 *
 * Started as: manimd-encode SPEC.json with the descriptors
 *   3 ring memory   4 data_ready   5 space_free   6 report (lines out)
 * and the directory for outputs as its working directory.
 *
 * SPEC.json (the keeper's, read before the seal): {"width", "height",
 * "fps_num", "fps_den", "transparent", "outputs": ["mp4", …], "frame_log":
 * bool, "uid", "gid", "level", "limits": {"output_bytes", "frames",
 * "wall_ms", "memory_bytes"}, "job_id", "title"}
 *
 * Report lines, JSON, one each: {"frames": N, "distinct": M, "seconds": S} at
 * most 10 a second; at the end one of
 *   {"done": true, "frames", "distinct", "outputs": [{kind, name, width,
 *    height, fps, frames, duration_s}], "encoder_used", "encode_ms",
 *    "sandbox": {…}}
 *   {"error": {"outcome": one of outcome.def, "message"}}
 * Exit as a stage: 0, 1 (the job's fault), 3 (ours).
 *
 * The reading end of descriptor 6's peer being closed, or SIGTERM, stops it.
 * When the scene died without END, the keeper sends SIGTERM. */
#ifndef MANIMD_ENCODE_SPEC_H
#define MANIMD_ENCODE_SPEC_H

enum encode_fd {
    ENCODE_FD_MEMORY = 3,
    ENCODE_FD_DATA_READY = 4,
    ENCODE_FD_SPACE_FREE = 5,
    ENCODE_FD_REPORT = 6,
};

#endif
