/* Inside the render stage: one keeper, one attempt.
 *
 *   keeper_start.c   directories, ring, pipes; the warden gets its start
 *                    message; the encoder is started
 *   keeper_script.c  the script's own folder, for `manimd render`
 *   keeper_fetched.c source and assets that the fetch stage got
 *   keeper_cgroup.c  the job's cgroup, where there is one
 *   keeper_where.c   where the scene was, when its time is up
 *   keeper_hear.c    what the warden, the scene and the encoder say
 *   keeper.c         the loop: hear, watch, end
 *   keeper_judge.c   render.json
 *
 * Trust: the warden's word is ours (it is a fork of the zygote that runs no
 * stranger's code). The scene's lines may choose only among the job's faults.
 * The encoder's are believed as far as its exit status and the files bear
 * them out. */
#ifndef MANIMD_RENDER_KEEPER_H
#define MANIMD_RENDER_KEEPER_H

#include "../base/err.h"
#include "../base/json.h"
#include "../base/ring.h"
#include "../sandbox/box.h"
#include "../sandbox/cgroup.h"
#include "lines.h"
#include "render.h"
#include "scene_log.h"

#define WATCH_EVERY_MS 50
#define EMPTY_WITHIN_MS 5000
#define ENCODER_STOP_MS 3000               /* between SIGTERM and SIGKILL */
#define END_WITHIN_MS 5000                 /* of a scene that has nothing left to do */
#define WORDS_MAX_BYTES (16 * 1024 * 1024) /* of a scene's lines, all together */

/* How it ended: the first cause is the one that counts, what follows from it
 * (a ring that nobody empties, a killed scene) is not. */
struct verdict {
    bool set;
    enum outcome outcome;
    cJSON *error; /* {code, message, …} or NULL; owned */
};

/* Where a scene says that it was; its own words. */
struct where {
    int line; /* of its file; 0: not told */
    char name[64];
};

struct keeper {
    const struct job *job;
    const struct render_spec *spec;
    int dir_fd, scene_dir_fd, out_dir_fd;
    char *dir;                      /* absolute */
    char *scene_dir;                /* absolute */
    char *script_dir, *script_path; /* as the scene sees them; NULL: none */
    enum box_level level;
    struct box_layer_report layers[LAYER_COUNT];
    struct cgroup_home cgroup_home;                       /* ours, when none was handed to us */
    struct cgroup_box job_cgroup, cgroup, encoder_cgroup; /* the scene's is `cgroup` */
    int64_t ring_bytes;                                   /* 0: no cgroup, so nobody asks */
    /* The most that the cgroup was charged with, the ring left out; 0: not told.
     * What the watch adds up counts pages twice that forks share. */
    int64_t charged_bytes;
    struct ring_fds ring;
    struct zygote cold;    /* ours, when none was lent */
    char render_path[512]; /* "exact", or "stock: why"; "" until told */

    int job_fd; /* warden; -1 once it has ended */
    int log_fd, words_fd, encoder_fd, signal_fd;
    struct lines words, encoder_lines;
    struct scene_log log;

    pid_t warden_pid, scene_pid; /* 0 until told */
    bool sealed, scene_exited, scene_empty;
    int scene_status;       /* as waitpid's; undefined until scene_exited */
    bool scene_finished;    /* it said so, its exit is 0: the encoder has END */
    bool scene_killed;      /* by us */
    int64_t scene_done_ms;  /* since when it has nothing left to do; 0: it has */
    cJSON *scene_word;      /* its result line; owned */
    struct picture picture; /* as the scene made it */

    pid_t encoder_pid; /* 0: not started, or reaped */
    bool encoder_started, encoder_told;
    bool ring_closed;        /* the encoder knows that nothing more will come */
    int encoder_status;      /* undefined until it was reaped */
    int64_t encoder_kill_ms; /* 0: not told to stop */
    cJSON *encoder_word;     /* its last line; owned */

    struct box_watch watch;
    struct box_trips trips;
    char tripwires[32];           /* "active", or why nobody counts; "" until told */
    int64_t maxrss_bytes, cpu_ms; /* as the warden saw them */
    bool cancelled;
    int64_t started_ms, sealed_ms, scene_end_ms, encoder_end_ms;
    int64_t next_report_ms;
    struct verdict verdict;
    struct where where;
};

/* keeper_start.c */
int keeper_prepare(struct keeper *k, struct err *e);
int keeper_start_scene(struct keeper *k, struct err *e);
int keeper_start_encoder(struct keeper *k, struct err *e);

/* keeper_script.c: sets script_dir and script_path. */
int keeper_place_script(struct keeper *k, struct err *e);

/* keeper_fetched.c: into the scene's directory. */
int keeper_place_source(struct keeper *k, struct err *e);
int keeper_place_assets(struct keeper *k, struct err *e);

/* keeper_cgroup.c: nothing where the host has none. */
int keeper_make_cgroups(struct keeper *k, struct err *e);
/* Once the scene has ended: the verdict, if the kernel has killed it for its
 * memory, and what it used. */
void keeper_look_at_cgroup(struct keeper *k);
/* The same of an encoder that died. */
void keeper_look_at_encoder_cgroup(struct keeper *k);
/* What cpu.max holds the job to; 0: nothing does. */
int keeper_cpu_percent(const struct keeper *k);
void keeper_end_cgroup(struct keeper *k);

/* keeper_hear.c */
void keeper_hear_signal(struct keeper *k);
void keeper_hear_warden(struct keeper *k);
void keeper_hear_scene(struct keeper *k);
void keeper_hear_encoder(struct keeper *k);
void keeper_hear_trips(struct keeper *k);
void keeper_hear_log(struct keeper *k);

/* keeper_where.c: asks the scene, if it still runs, where it is, and puts that into
 * the verdict, which was just set and says that its time is up. */
void keeper_tell_where(struct keeper *k);
/* One of its lines that is no word. */
void keeper_hear_where(struct keeper *k, const char *line);

/* keeper_judge.c: the first call counts. `error` is taken over. */
void verdict_set(struct verdict *v, enum outcome outcome, cJSON *error);
void verdict_say(struct verdict *v, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* How the scene's end looks from outside; nothing when it ended well. */
void keeper_judge_scene(struct keeper *k);
void keeper_judge_encoder(struct keeper *k);
/* It has said that it is done, or its video has ended, and it goes on. */
void keeper_judge_endless(struct keeper *k);
/* Checks the outputs when all went well, and writes render.json. */
int keeper_write_result(struct keeper *k, struct err *e);

#endif
