//! The columns of a 30-minute table of COSMOS-UK stations, and what values of each look like.

/// The columns of `LEVEL1_SOILMET_30MIN`, in order.
#[rustfmt::skip]
pub const COLUMNS: [&str; 149] = [
    "SITE_ID", "DATE_TIME", "WD", "WD_STD", "WS", "WS_STD", "PA", "PA_STD", "RH", "RH_STD", "TA",
    "TA_STD", "Q", "Q_STD", "SWIN", "SWIN_STD", "SWOUT", "SWOUT_STD", "LWIN_UNC", "LWIN_UNC_STD",
    "LWOUT_UNC", "LWOUT_UNC_STD", "LWIN", "LWIN_STD", "LWOUT", "LWOUT_STD", "TNR01C", "TNR01C_STD",
    "PRECIP", "PRECIP_DIAG", "SNOWD_DISTANCE_UNC", "SNOWD_SIGNALQUALITY", "CTS_MOD", "CTS_BARE",
    "CTS_MOD2", "CTS_SNOW", "PROFILE_VWC15", "PROFILE_SOILEC15", "PROFILE_VWC40", "PROFILE_SOILEC40",
    "PROFILE_VWC65", "PROFILE_SOILEC65", "TDT1_VWC", "TDT1_TSOIL", "TDT1_SOILPERM", "TDT1_SOILEC",
    "TDT2_VWC", "TDT2_TSOIL", "TDT2_SOILPERM", "TDT2_SOILEC", "STP_TSOIL50", "STP_TSOIL20", "STP_TSOIL10",
    "STP_TSOIL5", "STP_TSOIL2", "G1", "G1_STD", "G1_MV", "G1_CAL", "G2", "G2_STD", "G2_MV", "G2_CAL",
    "BATTV", "SCANS", "RECORD", "CTS_MOD_DIAG_1", "CTS_MOD_DIAG_2", "CTS_MOD_DIAG_3", "CTS_MOD_DIAG_4",
    "CTS_MOD_DIAG_5", "UX", "UZ", "UY", "STDEV_UX", "STDEV_UY", "STDEV_UZ", "COV_UX_UY", "COV_UX_UZ",
    "COV_UY_UZ", "CTS_SNOW_DIAG_1", "CTS_SNOW_DIAG_2", "CTS_SNOW_DIAG_3", "CTS_SNOW_DIAG_4",
    "CTS_SNOW_DIAG_5", "SNOWD_DISTANCE_COR", "WS_RES", "HS", "TAU", "U_STAR", "TS", "STDEV_TS",
    "COV_TS_UX", "COV_TS_UY", "COV_TS_UZ", "RHO_A_MEAN", "E_SAT_MEAN", "METPAK_SAMPLES", "CTS_MOD_RH",
    "CTS_MOD_TEMP", "TDT3_VWC", "TDT3_TSOIL", "TDT3_SOILEC", "TDT3_SOILPERM", "TDT4_VWC", "TDT4_TSOIL",
    "TDT4_SOILEC", "TDT4_SOILPERM", "TDT5_VWC", "TDT5_TSOIL", "TDT5_SOILEC", "TDT5_SOILPERM", "TDT6_VWC",
    "TDT6_TSOIL", "TDT6_SOILEC", "TDT6_SOILPERM", "TDT7_VWC", "TDT7_TSOIL", "TDT7_SOILEC",
    "TDT7_SOILPERM", "TDT8_VWC", "TDT8_TSOIL", "TDT8_SOILEC", "TDT8_SOILPERM", "TDT9_VWC", "TDT9_TSOIL",
    "TDT9_SOILEC", "TDT9_SOILPERM", "TDT10_VWC", "TDT10_TSOIL", "TDT10_SOILEC", "TDT10_SOILPERM",
    "CTS_SNOW_TEMP", "CTS_SNOW_RH", "CTS_MOD2_RH", "CTS_MOD2_TEMP", "SWIN_MULT", "SWOUT_MULT",
    "LWIN_MULT", "LWOUT_MULT", "PRECIP_TIPPING_A", "PRECIP_TIPPING_B", "PRECIP_TIPPING2", "TBR_TIP",
    "CTS_MOD_PERIOD", "CTS_MOD2_PERIOD", "CTS_SNOW_PERIOD", "WM_NAN_COUNT", "RH_INTERNAL",
];

/// How values of a column come about: `low + swing * sun + noise`, in units of `10^-decimals`.
///
/// Whole numbers throughout, so that every machine makes the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Digits behind the point; 0 makes integers.
    pub(super) decimals: usize,
    /// The value at midnight.
    pub(super) low: i64,
    /// What midday adds.
    pub(super) swing: i64,
    /// Chance adds 0 up to this.
    pub(super) noise: u64,
}

const fn shape(decimals: usize, low: i64, swing: i64, noise: u64) -> Shape {
    Shape { decimals, low, swing, noise }
}

/// By exact name first, then by the start and the ending of the name.
pub(super) fn shape_of(column: &str) -> Shape {
    match column {
        "WD" => shape(1, 0, 0, 3_599),
        "WS" | "WS_RES" => shape(2, 80, 150, 600),
        "PA" => shape(1, 9_920, -20, 120),
        "RH" | "RH_INTERNAL" => shape(1, 930, -320, 60),
        "TA" | "TS" => shape(2, -150, 900, 300),
        "Q" => shape(3, 4_200, 900, 600),
        "SWIN" | "SWOUT" => shape(1, -30, 4_200, 800),
        "LWIN" | "LWOUT" | "LWIN_UNC" | "LWOUT_UNC" => shape(1, 2_700, 350, 250),
        "PRECIP" | "PRECIP_TIPPING_A" | "PRECIP_TIPPING_B" | "PRECIP_TIPPING2" => shape(1, 0, 0, 2),
        "BATTV" => shape(2, 1_240, 120, 15),
        "SCANS" | "METPAK_SAMPLES" => shape(0, 178, 0, 2),
        "WM_NAN_COUNT" | "TBR_TIP" | "SNOWD_SIGNALQUALITY" => shape(0, 0, 0, 3),
        "UX" | "UY" | "UZ" => shape(4, -20_000, 0, 40_000),
        _ => shape_by_part(column),
    }
}

fn shape_by_part(column: &str) -> Shape {
    let starts = |prefix: &str| column.starts_with(prefix);
    let ends = |suffix: &str| column.ends_with(suffix);
    match column {
        _ if ends("_STD") || starts("STDEV_") => shape(4, 4, 300, 900),
        _ if starts("COV_") => shape(5, -4_000, 0, 8_000),
        _ if ends("_TEMP") || ends("_TSOIL") || starts("STP_TSOIL") => shape(2, 450, 250, 80),
        _ if ends("_RH") => shape(1, 250, -40, 30),
        _ if starts("CTS_") && ends("_PERIOD") => shape(0, 1_800, 0, 0),
        _ if starts("CTS_") => shape(0, 640, 0, 180),
        _ if column.contains("_VWC") => shape(4, 2_900, 60, 40),
        _ if column.contains("SOILEC") => shape(3, 110, 8, 6),
        _ if ends("_SOILPERM") => shape(2, 1_650, 30, 20),
        _ if ends("_DIAG") => shape(0, 0, 0, 1),
        _ => shape(3, 1_000, 800, 400),
    }
}
