//! The arguments, with the help that teaches.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use echobase_server::judge::{Budget, Horizon};

use crate::command::TableFormat;
use crate::output::Output;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the command failed, or a check found something
  2  the arguments or an input file cannot be used
  3  the server cannot be reached
  4  the server refused: not signed in, or not allowed
  5  there is no such thing

Commands that talk to a server take its address from --server and an API key from ECHOBASE_API_KEY, \
ECHOBASE_KEY_FILE, --key-file, or data/admin.key (which `cargo xtask up` writes).";

/// Watches services, AI agents and model engines, says how stable they are, acts within limits, and proves what
/// it did.
#[derive(Debug, Parser)]
#[command(name = "echobase", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How a server is reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// Address of the server.
    #[arg(long, global = true, env = "ECHOBASE_SERVER", default_value = "http://127.0.0.1:7700")]
    pub server: String,
    /// File that holds the API key.
    #[arg(long, global = true, env = "ECHOBASE_KEY_FILE", value_hint = ValueHint::FilePath)]
    pub key_file: Option<PathBuf>,
    /// The API key itself. Prefer the file: arguments are visible to other processes.
    #[arg(long, global = true, env = "ECHOBASE_API_KEY", hide_env_values = true, hide = true)]
    pub api_key: Option<String>,
    /// How to print the answer.
    #[arg(long, short, global = true, value_enum, default_value_t)]
    pub output: Output,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: observe, analyse, act, prove.
    Serve(Serve),
    /// Ask a question in SQL. Example: echobase query "SELECT metric, count(*) FROM metrics GROUP BY metric"
    Query(Query),
    /// Load history from a CSV or Parquet file. Stopped half-way, the same command goes on where it was.
    Import(Import),
    /// Show what is watched, with its stability.
    Resources(Resources),
    /// Say what an anomaly was. Example: echobase label 6f0c… expected --change deploy
    Label(Label),
    /// Score and risk if vital signs stood elsewhere. Example: echobase whatif service:orders --vital latency_p99=0.9
    Whatif(WhatIf),
    /// Take the present level of a resource's metrics as their reference: drift is measured from there.
    Rereference(Rereference),
    /// Playbooks: when this holds, propose that.
    Playbook(PlaybookArgs),
    /// Interventions: planned actions, from proposal to proof.
    Intervention(InterventionArgs),
    /// Stop all actions in a scope at once; rollbacks stay allowed.
    Freeze(Freeze),
    /// Ask for, or confirm, the end of a freeze (two people).
    Unfreeze(Freeze),
    /// Objectives (SLOs): what is left of their error budgets.
    Slo(SloArgs),
    /// Show alerts.
    Alerts(Alerts),
    /// The tamper-evident ledger.
    Ledger(LedgerArgs),
    /// Forecast every series of a table, with 95 % intervals. Example: echobase forecast in.csv out.csv --horizon 24
    Forecast(Forecast),
    /// Order the likely causes of an incident, from metrics before and during it and who calls whom.
    Causes(Causes),
    /// API keys.
    Key(KeyArgs),
    /// Run a small plant with real faults and watch the loop find, mend and prove them.
    Demo(Demo),
    /// Judge the rows of a table as if each had just arrived. Example: echobase detect cpu.csv verdicts.csv
    Detect(Detect),
    /// Check or describe the configuration.
    Config(ConfigArgs),
    /// Find where a series changed for good. Example: echobase drift latency.csv changes.csv
    Drift(Drift),
    /// Judge a table: probability of failure and stability, row by row. Example: echobase risk host.csv -
    Risk(Risk),
    /// Print the OpenAPI document.
    Openapi,
    /// Print a completion script. Example: echobase completions bash > /etc/bash_completion.d/echobase
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the help of every command as Markdown.
    #[command(hide = true)]
    HelpAll,
    /// One process of the demo's plant.
    #[command(hide = true)]
    PlantNode {
        /// Arguments of the node.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Arguments of `drift`.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// Table `timestamp,value` in CSV or Arrow, or `-` for standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Where `timestamp,drift,location` goes, a row per row; `-` for standard output.
    #[arg(value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Format of the answer. Default: by the name of the output (.csv, .arrow, .arrows, .feather), else that of the input.
    #[arg(long, value_enum)]
    pub format: Option<TableFormat>,
}

/// Arguments of `risk`.
#[derive(Debug, Args)]
pub(crate) struct Risk {
    /// Table `timestamp,<metric>,…` in CSV or Arrow, or `-` for standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Where `timestamp,risk,stability` goes, a row per row; `-` for standard output.
    #[arg(value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// How far ahead the risk looks: a number of rows, or a length of time such as 15m.
    #[arg(long, default_value = "60", value_parser = Horizon::parse)]
    pub horizon: Horizon,
    /// Format of the answer. Default: by the name of the output (.csv, .arrow, .arrows, .feather), else that of the input.
    #[arg(long, value_enum)]
    pub format: Option<TableFormat>,
}

/// Arguments of `serve`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Serve {
    /// Folder for everything that is kept. Made if missing.
    #[arg(long, env = "ECHOBASE_DATA", default_value = "data", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Configuration file; each key has a default, so that none is needed.
    #[arg(long, env = "ECHOBASE_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Address of API and web app. Port 0 takes a free one. Default: 127.0.0.1:7700.
    #[arg(long)]
    pub listen: Option<String>,
    /// Address of OTLP over HTTP. Default: 127.0.0.1:4318.
    #[arg(long)]
    pub otlp_http: Option<String>,
    /// Address of OTLP over gRPC. Default: 127.0.0.1:4317.
    #[arg(long)]
    pub otlp_grpc: Option<String>,
    /// Print one line of JSON with the addresses in use, once they are open.
    #[arg(long)]
    pub print_addresses: bool,
    /// Write an administrator's API key to this file (mode 0600), for automation.
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub bootstrap_key_file: Option<PathBuf>,
    /// Allow an address that is not loopback without TLS. Passwords and keys then cross the network in the open.
    #[arg(long)]
    pub allow_remote_plaintext: bool,
    /// Start although the ledger is damaged; the damage itself is recorded first.
    #[arg(long)]
    pub accept_damage: bool,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub connection: Connection,
    /// One SELECT statement, or `-` to read it from standard input.
    pub sql: String,
    /// Rows at most.
    #[arg(long, default_value_t = 1_000)]
    pub max_rows: u32,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub connection: Connection,
    /// The file: CSV (also gzipped) or Parquet.
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// What the values speak about, as `kind:name`, such as `service:orders`. Default: `process:<file name>`.
    #[arg(long)]
    pub resource: Option<String>,
    /// Column that names the resource of each row.
    #[arg(long, conflicts_with = "resource")]
    pub resource_column: Option<String>,
    /// Column of the time. Default: the first whose name or content looks like one.
    #[arg(long)]
    pub time_column: Option<String>,
    /// `auto`, `rfc3339`, `s`, `ms`, `us`, `ns`, or a pattern such as `%d/%m/%Y %H:%M`.
    #[arg(long, default_value = "auto")]
    pub time_format: String,
    /// A value column and its metric: `COLUMN=METRIC[:UNIT[:KIND]]`. May be given often. Default: every numeric
    /// column under its own name.
    #[arg(long = "metric")]
    pub metrics: Vec<String>,
    /// Leave a column out. May be given often.
    #[arg(long = "skip")]
    pub skip: Vec<String>,
    /// Start again from the first row.
    #[arg(long)]
    pub restart: bool,
    /// Dirty rows to list; the rest is only counted.
    #[arg(long, default_value_t = 20)]
    pub list_dirty: usize,
}

/// Arguments of `detect`.
#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Table `timestamp,value` or `timestamp,m0,m1,…` in CSV or Arrow, or `-` for standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Where `timestamp,score,is_anomaly,alert` goes, a row per row; `-` for standard output.
    #[arg(value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// False alerts that you accept per series and week. Default: 2.
    #[arg(long, value_parser = Budget::parse)]
    pub budget: Option<Budget>,
    /// Format of the answer. Default: by the name of the output (.csv, .arrow, .arrows, .feather), else that of the input.
    #[arg(long, value_enum)]
    pub format: Option<TableFormat>,
}

/// Arguments of `resources`.
#[derive(Debug, Args)]
pub(crate) struct Resources {
    #[command(flatten)]
    pub connection: Connection,
    /// Show this one whole.
    pub id: Option<String>,
    /// Only this kind: host, service, agent, engine, process.
    #[arg(long)]
    pub kind: Option<String>,
}

/// Arguments of `label`.
#[derive(Debug, Args)]
pub(crate) struct Label {
    #[command(flatten)]
    pub connection: Connection,
    /// Id of the anomaly.
    pub anomaly: String,
    /// real, noise or expected.
    pub label: String,
    /// Of something expected: the kind of change that brought it: deploy, configuration, model or prompt.
    #[arg(long)]
    pub change: Option<String>,
    /// Why.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// Arguments of `whatif`.
#[derive(Debug, Args)]
pub(crate) struct WhatIf {
    #[command(flatten)]
    pub connection: Connection,
    /// Id of the resource, such as service:orders.
    pub resource: String,
    /// A vital sign in its own unit (shares 0 to 1, seconds, bytes): NAME=NUMBER. May be given often.
    #[arg(long = "vital")]
    pub vitals: Vec<String>,
    /// The stability score of a dependency, 0 to 1: RESOURCE=NUMBER. May be given often.
    #[arg(long = "dependency")]
    pub dependencies: Vec<String>,
}

/// Arguments of `rereference`.
#[derive(Debug, Args)]
pub(crate) struct Rereference {
    #[command(flatten)]
    pub connection: Connection,
    /// Id of the resource, such as service:orders.
    pub resource: String,
    /// Only this metric, with or without its attributes. Default: every metric of the resource.
    #[arg(long)]
    pub metric: Option<String>,
    /// Why.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// Arguments of `playbook`.
#[derive(Debug, Args)]
pub(crate) struct PlaybookArgs {
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: PlaybookCommand,
}

/// Arguments of `slo`.
#[derive(Debug, Args)]
pub(crate) struct SloArgs {
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: SloCommand,
}

/// What can be done with objectives.
#[derive(Debug, Subcommand)]
pub(crate) enum SloCommand {
    /// List them, by name.
    List,
    /// Show one, by name or id.
    Show {
        /// Name or id.
        slo: String,
    },
}

/// What can be done with playbooks.
#[derive(Debug, Subcommand)]
pub(crate) enum PlaybookCommand {
    /// List them.
    List,
    /// Show one, by name or id.
    Show {
        /// Name or id.
        playbook: String,
    },
    /// Save a file as a new playbook or a new version.
    Save {
        /// The YAML file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Save it switched off.
        #[arg(long)]
        disabled: bool,
    },
    /// Check a file without saving it.
    Validate {
        /// The YAML file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Say what it would have done on stored history.
    Backtest {
        /// The YAML file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// How far back: 90s, 15m, 6h, 7d.
        #[arg(long, default_value = "7d")]
        since: String,
    },
    /// Put one in force.
    Enable {
        /// Name or id.
        playbook: String,
    },
    /// Take one out of force.
    Disable {
        /// Name or id.
        playbook: String,
    },
    /// Remove one. Its versions stay in the ledger.
    Delete {
        /// Name or id.
        playbook: String,
    },
}

/// Arguments of `intervention`.
#[derive(Debug, Args)]
pub(crate) struct InterventionArgs {
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: InterventionCommand,
}

/// What can be done with interventions.
#[derive(Debug, Subcommand)]
pub(crate) enum InterventionCommand {
    /// List them, newest first.
    List {
        /// Only in this state; `open` for all that are not final.
        #[arg(long)]
        state: Option<String>,
    },
    /// Show one whole: plan, preview, approvals, receipts.
    Show {
        /// Its id.
        id: String,
    },
    /// Propose one by hand. It goes the same way as any other.
    Propose {
        /// What to act on, such as service:orders.
        #[arg(long)]
        target: String,
        /// The actuator: process, command, webhook.
        #[arg(long)]
        actuator: String,
        /// The action, such as restart or scale.
        #[arg(long)]
        action: String,
        /// An argument of the action: NAME=VALUE. May be given often.
        #[arg(long = "argument")]
        arguments: Vec<String>,
        /// medium (one other person approves) or high (two do).
        #[arg(long, default_value = "medium")]
        risk: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Approve exactly the plan that has this digest.
    Approve {
        /// Its id.
        id: String,
        /// The digest, as `show` prints it.
        #[arg(long)]
        digest: String,
    },
    /// Refuse it.
    Reject {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take it back before it is executed.
    Cancel {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Undo what it did.
    Rollback {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// Arguments of `freeze` and `unfreeze`.
#[derive(Debug, Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    pub connection: Connection,
    /// `tenant`, `resource:<id>` or `playbook:<id>`.
    #[arg(long, default_value = "tenant")]
    pub scope: String,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// Arguments of `alerts`.
#[derive(Debug, Args)]
pub(crate) struct Alerts {
    #[command(flatten)]
    pub connection: Connection,
    /// firing, acknowledged or resolved.
    #[arg(long)]
    pub state: Option<String>,
}

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show entries, newest first.
    Show {
        /// Only actions that begin so, such as `intervention.`.
        #[arg(long)]
        action: Option<String>,
        /// Only on this resource.
        #[arg(long)]
        resource: Option<String>,
        /// Entries at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Write the whole log into a folder that anybody can verify offline.
    Export {
        /// The folder; must not exist.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Verify an export, offline. Prints JSON. Ends with 0: sound, 1: findings, 2: unreadable.
    Verify {
        /// The folder, or a flat file with one entry per line.
        #[arg(value_hint = ValueHint::AnyPath)]
        export: PathBuf,
        /// Verifier key that must have signed the checkpoints. May be given often.
        #[arg(long = "vkey")]
        vkeys: Vec<String>,
        /// A checkpoint that you trust (a receipt, a witness's copy). May be given often.
        #[arg(long = "trusted", value_hint = ValueHint::FilePath)]
        trusted: Vec<PathBuf>,
        /// Cosignatures of witnesses that the newest checkpoint must carry.
        #[arg(long, default_value_t = 0)]
        witnesses: usize,
    },
    /// Print the proof that an entry is in the log.
    Receipt {
        /// Its sequence number.
        seq: u64,
    },
}

/// Arguments of `forecast`.
#[derive(Debug, Args)]
pub(crate) struct Forecast {
    /// Table `id,t,y` in CSV or Arrow; `-` for standard input. An empty `y` is a missing value.
    #[arg(value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Where `id,t,yhat,lo95,hi95` goes; `-` for standard output.
    #[arg(value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Rows to forecast.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub horizon: u32,
    /// Rows per season, such as 24 for hours of a day; 1 for none. Default: found in each series.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub season: Option<u32>,
    /// Format of the answer. Default: by the name of the output (.csv, .arrow, .arrows, .feather), else that of the input.
    #[arg(long, value_enum)]
    pub format: Option<TableFormat>,
}

/// Arguments of `causes`.
#[derive(Debug, Args)]
pub(crate) struct Causes {
    /// Folder with `normal.csv` and `incident.csv` (`ts,node,metric,value`), and if known `target.json` (`node` and
    /// `metric` of the symptom) and `edges.csv` (`caller,callee`).
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// Where `rank,node,metric` goes; `-` for standard output.
    #[arg(value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// Arguments of `key`.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List them.
    List,
    /// Make one; its secret is printed once.
    Create {
        /// What it is for.
        name: String,
        /// ingest, read, write, act, admin; separated by commas.
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scopes: Vec<String>,
        /// Days until it ends, 1 to 365.
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Make a new secret; the old one still works for the overlap.
    Rotate {
        /// Its id.
        id: String,
        /// Hours, 0 to 168.
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
    },
    /// End one now.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Seed of the load and the faults: same seed, same demo.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// The short form, about three minutes.
    #[arg(long)]
    pub short: bool,
    /// Keep the demo's data in this folder instead of a temporary one.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
    /// How to print the table.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file (and the environment) without starting anything.
    Check {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the configuration in force: defaults, file, environment.
    Show {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print its JSON Schema.
    Schema,
    /// Print the reference page.
    Reference,
}
