/* The render stage: the keeper runs one scene in its box beside the encoder in
 * another, and judges how it ended from what it saw.
 *
 *   DIR/job.json     read by the caller (cmd/stage.c) and given as struct job
 *   DIR/fetched/     what the fetch stage got (intake/fetch.h)
 *   DIR/scene/       the scene's own: working directory, HOME, TMPDIR, media
 *   DIR/out/         the encoder's own: scene.mp4, frame.png, frames.log …
 *   DIR/log          what the scene printed, head and tail, capped
 *   DIR/render.json  the result, written last, by rename
 *
 * render.json: {"outcome", "error": {code,message,line,column,excerpt,
 * traceback}|null, "log_tail", "outputs": [{kind,name,width,height,fps,frames,
 * duration_s}], "frames", "frames_distinct", "timings_ms": {start, render,
 * encode}, "peak_memory_bytes", "cpu_ms", "encoder_used", "render_path",
 * "sandbox": {level, layers, tripwires: "active" or why nobody counts,
 * tripped: {name: count}, gpu: "none" or "kernel driver exposed", cpu_percent:
 * what the kernel held the job to, 0: nothing}}
 *
 * Processes: the keeper asks a zygote (warm; or one that it starts cold itself:
 * the same program, one job) for a warden. The warden is a trusted fork of the
 * zygote, subreaper of the scene process, and reports its exit and what the
 * whole tree used; it dies last. The scene process seals itself, then reads
 * the source. */
#ifndef MANIMD_RENDER_H
#define MANIMD_RENDER_H

#include "../manimd.h"

struct err;

struct render_spec {
    const char *python;  /* executable */
    const char *harness; /* directory of the harness */
    const char *encoder; /* executable */
    /* The extension _manimd.so; NULL: beside the harness, else in harness/
     * beside this executable, where the build puts it. */
    const char *native;
    int zygote_fd;                /* job socket lent by a warm zygote; -1: start cold */
    uid_t scene_uid, encoder_uid; /* 0: no uid of its own */
    int sandbox_minimum;          /* enum box_level */
    /* What this machine offers, as box_describe() wrote it; NULL: probe. */
    const char *sandbox;
    const char *cgroup; /* the worker's place for cgroups (cgroup_begin()); NULL: none */
    int report_fd;      /* progress lines for whoever started us; -1: none */
    bool gpu;           /* scenes may use one */
    int tripwires;      /* forbidden calls before a job is ended for them; 0: never */
    int cpu_percent;    /* of a core, for scene and encoder together; 0: what others leave */
    bool frame_log;
    bool spare;      /* its zygotes keep a warden and a scene ready: many jobs are to come */
    bool namespaces; /* those are to be in a PID namespace, as `sandbox` says */
    /* `manimd render FILE`: the script's own folder, readable in the box and
     * first on sys.path, and the script's path; NULL for a job from a queue. */
    const char *script_dir;
    const char *script_path;
};

/* Runs the stage; the result is in DIR/render.json. Returns the stage's exit
 * status (enum stage_exit). SIGTERM to this process cancels. */
int render_stage(const struct job *job, const char *dir, const struct render_spec *spec,
                 struct err *e);

/* A progress line on report_fd: {"percent","frames","fps","eta_s","play"};
 * percent is an estimate (how far the scene's own code has come). */

/* A warm interpreter: Manim imported once, forked per job, never reads job
 * code. The supervisor's side of it. */
struct zygote {
    pid_t pid;      /* 0: none */
    int control_fd; /* readable once it is ready: call zygote_read() */
    bool ready;
    int lent;         /* jobs served */
    char about[1024]; /* what it said: versions, fingerprints, render path */
};
#define ZYGOTE_INIT      \
    {                    \
        .control_fd = -1 \
    }

/* Starts one; returns at once. */
int zygote_start(struct zygote *z, const struct render_spec *spec, struct err *e);
/* After control_fd became readable: reads its word. */
int zygote_read(struct zygote *z, struct err *e);
/* The descriptor to hand a render stage as zygote_fd; the caller closes it. */
int zygote_lend(struct zygote *z, int *ret_job_fd, struct err *e);
/* Closes the control socket: it ends when its wardens have. The caller reaps. */
void zygote_stop(struct zygote *z);

#endif
