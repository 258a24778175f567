//! The languages that are analysed, and what is particular to each.

use super::lex::Syntax;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Language {
    Python,
    JavaScript,
    Go,
    Java,
    Rust,
    Ruby,
    Php,
    Shell,
    Dockerfile,
    Kubernetes,
    Terraform,
    CloudFormation,
    Actions,
}

impl Language {
    /// Every language with its name.
    pub(crate) const ALL: &'static [(Self, &'static str)] = &[
        (Self::Python, "Python"),
        (Self::JavaScript, "JavaScript"),
        (Self::Go, "Go"),
        (Self::Java, "Java"),
        (Self::Rust, "Rust"),
        (Self::Ruby, "Ruby"),
        (Self::Php, "PHP"),
        (Self::Shell, "shell"),
        (Self::Dockerfile, "Dockerfile"),
        (Self::Kubernetes, "Kubernetes"),
        (Self::Terraform, "Terraform"),
        (Self::CloudFormation, "CloudFormation"),
        (Self::Actions, "GitHub Actions"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(l, _)| *l == self).map_or("?", |(_, name)| name)
    }

    /// What files of a repository's own rules call it.
    pub(crate) fn key(self) -> String {
        match self {
            Self::Actions => "actions".to_owned(),
            other => other.name().to_lowercase(),
        }
    }

    /// The language that such a file is for.
    pub(crate) fn keyed(key: &str) -> Option<Self> {
        let key = key.to_lowercase();
        let known = Self::ALL.iter().map(|(language, _)| *language);
        match key.as_str() {
            "typescript" => Some(Self::JavaScript),
            key => known.into_iter().find(|language| language.key() == key),
        }
    }

    /// Whether the files are lines of settings rather than a program.
    pub(crate) fn is_lines(self) -> bool {
        matches!(
            self,
            Self::Shell
                | Self::Dockerfile
                | Self::Kubernetes
                | Self::Terraform
                | Self::CloudFormation
                | Self::Actions
        )
    }

    /// Whether a file may be of some language, by its name alone.
    pub(crate) fn possible(path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        Self::of(path, "").is_some()
            || [".yml", ".yaml", ".json", ".template"].iter().any(|e| name.ends_with(e))
            || !name.contains('.')
    }

    /// The language of a file by its name and its content.
    pub(crate) fn of(path: &str, text: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let lower = name.to_ascii_lowercase();
        if lower == "dockerfile"
            || lower.starts_with("dockerfile.")
            || lower.ends_with(".dockerfile")
            || lower == "containerfile"
        {
            return Some(Self::Dockerfile);
        }
        let Some((_, ending)) = lower.rsplit_once('.') else {
            return by_first_line(text);
        };
        Some(match ending {
            "py" | "pyw" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" | "vue" | "svelte" => {
                Self::JavaScript
            }
            "go" => Self::Go,
            "java" | "kt" | "scala" | "groovy" => Self::Java,
            "rs" => Self::Rust,
            "rb" | "erb" | "rake" => Self::Ruby,
            "php" | "phtml" => Self::Php,
            "sh" | "bash" | "zsh" | "ksh" => Self::Shell,
            "tf" => Self::Terraform,
            "yml" | "yaml"
                if path.contains(".github/workflows/")
                    || lower == "action.yml"
                    || lower == "action.yaml" =>
            {
                Self::Actions
            }
            "yml" | "yaml" | "json" | "template" => {
                let cloud = text.contains("AWSTemplateFormatVersion")
                    || text.contains("AWS::Serverless")
                    || text.contains("Type: AWS::")
                    || text.contains("\"AWS::");
                if cloud {
                    Self::CloudFormation
                } else if ending != "json" && text.contains("apiVersion:") && text.contains("kind:")
                {
                    Self::Kubernetes
                } else {
                    return None;
                }
            }
            _ => return None,
        })
    }

    pub(crate) fn syntax(self) -> Syntax {
        const NONE: Syntax = Syntax {
            line_comments: &[],
            block_comments: false,
            quotes: b"\"'",
            triple: false,
            marked: false,
            fill: &[],
            dollar: false,
            raw: &[],
            lifetimes: false,
            regex: false,
        };
        match self {
            Self::Python => Syntax { line_comments: &["#"], triple: true, marked: true, ..NONE },
            Self::JavaScript => Syntax {
                line_comments: &["//"],
                block_comments: true,
                quotes: b"\"'`",
                fill: &[("${", b"`")],
                regex: true,
                ..NONE
            },
            Self::Go => Syntax {
                line_comments: &["//"],
                block_comments: true,
                quotes: b"\"'`",
                raw: b"`",
                ..NONE
            },
            Self::Java => {
                Syntax { line_comments: &["//"], block_comments: true, triple: true, ..NONE }
            }
            Self::Rust => Syntax {
                line_comments: &["//"],
                block_comments: true,
                lifetimes: true,
                fill: &[("\u{0}", b"\"")],
                ..NONE
            },
            Self::Ruby => Syntax {
                line_comments: &["#"],
                quotes: b"\"'`",
                fill: &[("#{", b"\"`")],
                raw: b"'",
                ..NONE
            },
            Self::Php => {
                Syntax { line_comments: &["//", "#"], block_comments: true, dollar: true, ..NONE }
            }
            _ => Syntax { line_comments: &["#"], ..NONE },
        }
    }

    /// Whether a text names what comes from whoever sends a request.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Python => {
                r"\brequest\.(?:args|form|values|json|data|cookies|headers|GET|POST|FILES|files|query_params|get_json|path|body|params|url|query|stream|META)\b|\bself\.request\.|\bself\.get_argument\(|\bevent\["
            }
            Self::JavaScript => {
                r"\b(?:req|request|ctx|ctx\.request)\.(?:query|body|params|param|headers|header|cookies|url|originalUrl|files|path|hostname)\b|\blocation\.(?:hash|search|href)\b|\bdocument\.(?:URL|referrer|cookie|location)\b|\bwindow\.(?:name|location)\b|\bevent\.(?:body|queryStringParameters|pathParameters|data)\b"
            }
            Self::Go => {
                r"\b(?:r|req|request)\.(?:URL|Form|PostForm|Header|Body|FormValue|PostFormValue|PathValue|Host|Cookie|Referer)\b|\bc\.(?:Query|Param|PostForm|FormValue|QueryParam|Params|DefaultQuery|GetHeader)\(|\bmux\.Vars\(|\bchi\.URLParam\("
            }
            Self::Java => {
                r"\.(?:getParameter|getHeader|getQueryString|getCookies|getParameterValues|getParameterMap|getPathInfo|getRequestURI|getRequestURL|getInputStream|getReader|getPart|getRemoteUser)\("
            }
            Self::Ruby => {
                r"\bparams\b|\bcookies\[|\brequest\.(?:env|headers|params|body|path|url|referer|query_string)"
            }
            Self::Php => {
                r"\$_(?:GET|POST|REQUEST|COOKIE|FILES|SERVER)\b|php://input|\$request->(?:input|query|get|all|cookie|header)"
            }
            Self::Rust => {
                r"\b(?:req|request)\.(?:uri|headers|query_string|body|path)\(|\bQuery\(|\bPath\("
            }
            _ => r"\$[1-9@*]",
        }
    }

    /// Whether a text names what comes from whoever starts the program.
    pub(crate) fn given(self) -> &'static str {
        match self {
            Self::Python => r"\binput\(|\bsys\.argv\b|\bos\.(?:environ|getenv)\b",
            Self::JavaScript => r"\bprocess\.(?:argv|env)\b",
            Self::Go => r"\bos\.(?:Args|Getenv|LookupEnv)\b|\bflag\.\w+\(",
            Self::Java => r"\bargs\[|\bSystem\.getenv\(",
            Self::Ruby => r"\bARGV\b|\bENV\[",
            Self::Php => r"\$argv\b|\bgetenv\(",
            Self::Rust => r"\benv::(?:args|var)\b",
            _ => "[^\\s\\S]",
        }
    }

    /// Calls whose result is harmless, whatever goes in.
    pub(crate) fn cleaner(self) -> &'static str {
        r"^(?:int|float|bool|len|parseInt|parseFloat|Number|Boolean|(?:Integer|Long|Double|UUID)\.(?:parse\w+|valueOf|fromString)|strconv\.\w+|shlex\.quote|quote|escape|html\.escape|markupsafe\.escape|bleach\.clean|secure_filename|werkzeug\.utils\.secure_filename|os\.path\.basename|path\.basename|filepath\.Base|encodeURIComponent|escapeHtml|DOMPurify\.sanitize|sanitizeHtml|htmlspecialchars|htmlentities|intval|floatval|escapeshellarg|escapeshellcmd|basename|path\.Base|mail\.ParseAddress(?:List)?|mysqli_real_escape_string|Shellwords\.escape|ERB::Util\.html_escape|h|CGI\.escape|CGI\.escapeHTML|to_i|url_for|reverse|html\.EscapeString|template\.HTMLEscapeString|url\.QueryEscape|url\.PathEscape|StringEscapeUtils\.\w+|Encode\.\w+|URLEncoder\.encode|FilenameUtils\.getName|literal|sql\.Identifier|(?:\w+\.)*Quote(?:Identifier|Literal)|sql\.SQL|len|count|sizeof|hash|sha256|uuid\.\w+)$"
    }
}

fn by_first_line(text: &str) -> Option<Language> {
    let first = text.lines().next().unwrap_or_default();
    let program = first.strip_prefix("#!")?;
    let has = |words: &[&str]| words.iter().any(|w| program.contains(w));
    if has(&["python"]) {
        Some(Language::Python)
    } else if has(&["node", "deno"]) {
        Some(Language::JavaScript)
    } else if has(&["ruby"]) {
        Some(Language::Ruby)
    } else if has(&["php"]) {
        Some(Language::Php)
    } else if has(&["sh"]) {
        Some(Language::Shell)
    } else {
        None
    }
}
